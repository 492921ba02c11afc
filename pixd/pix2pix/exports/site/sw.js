// Keeps the page for times without a network, and adds the headers that threads need.
//
// What a model or the runtime consists of has a name by its content, so a kept copy is right for
// ever. Everything else is asked for anew, and the copy serves where nobody answers.

const KEPT = "pixd";
const FIXED = /\/(model|runtime)\//;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(answer(request));
});

async function answer(request) {
  const kept = await caches.open(KEPT);
  if (FIXED.test(request.url)) {
    const found = await kept.match(request);
    if (found) return isolated(found);
  }
  try {
    const response = await fetch(request);
    if (response.ok) await kept.put(request, response.clone());
    return isolated(response);
  } catch (error) {
    const found = await kept.match(request, { ignoreSearch: true });
    if (found) return isolated(found);
    throw error;
  }
}

function isolated(response) {
  if (response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
