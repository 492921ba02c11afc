// Keeps the page for times without a network, and adds the headers that threads need.
//
// What a model or the runtime consists of has a name by its content, so a kept copy is right for
// ever. Everything else is asked for anew, and the copy serves where nobody answers.

const KEPT = "pixd";
const FIXED = /^(model|runtime)\//; // below the page, wherever that is

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(answer(request, event));
});

async function answer(request, event) {
  const kept = await caches.open(KEPT);
  const { scope } = self.registration;
  if (request.url.startsWith(scope) && FIXED.test(request.url.slice(scope.length))) {
    const found = await kept.match(request);
    if (found) return isolated(found);
  }
  try {
    const response = await fetch(request);
    // No room to keep it is no reason not to show it.
    if (response.ok) event.waitUntil(keep(kept, request, response.clone()).catch(() => {}));
    return isolated(response);
  } catch (error) {
    const found = await kept.match(request, { ignoreSearch: true });
    if (found) return isolated(found);
    throw error;
  }
}

// With a page that was exported anew, the parts of the model before are of no more use.
async function keep(kept, request, response) {
  const { scope } = self.registration;
  if (request.url === `${scope}page.json`) {
    const { model, runtime } = await response.clone().json();
    for (const one of await kept.keys()) {
      const name = one.url.startsWith(scope) ? one.url.slice(scope.length) : "";
      const isUsed = [...model.parts, ...model.known].includes(name) || name.startsWith(runtime.folder);
      if (FIXED.test(name) && !isUsed) await kept.delete(one);
    }
  }
  await kept.put(request, response);
}

function isolated(response) {
  if (response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
