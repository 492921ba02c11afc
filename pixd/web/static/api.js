// Requests to pixd: the token, and errors as people can read them.

const BUSY_TRIES = 5;
const BUSY_WAIT_MS = 1000;
const KEPT = "pixd-token";
const TOKEN = /^#([A-Za-z0-9_-]{20,})$/;

/** What pixd answered instead of what was asked for. */
export class ApiError extends Error {
  constructor(message, { status = 0, advice = "", retryAfterMs = 0 } = {}) {
    super(advice ? `${message}. ${sentence(advice)}` : message);
    this.status = status;
    this.told = message;
    this.advice = advice;
    this.retryAfterMs = retryAfterMs;
  }
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Take the token out of the address that `pixd web --link` printed, and clear the address. */
export function takeToken() {
  const found = TOKEN.exec(location.hash);
  if (!found) return false;
  localStorage.setItem(KEPT, found[1]);
  history.replaceState(null, "", "/#/status");
  return true;
}

export function hasToken() {
  return Boolean(localStorage.getItem(KEPT));
}

/** Keep a token that a person pasted: the whole link, or the token alone. */
export function keepToken(text) {
  const token = text.trim().replace(/^.*#/, "");
  if (token) localStorage.setItem(KEPT, token);
  return Boolean(token);
}

export function forgetToken() {
  localStorage.removeItem(KEPT);
}

export function headers(more = {}) {
  const token = localStorage.getItem(KEPT);
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

/** An address below /api, each part escaped; `query` leaves out what is empty, and a list is given one by one. */
export function address(parts, query = {}) {
  const path = parts.map((part) => encodeURIComponent(wellFormed(String(part)))).join("/");
  const each = Object.entries(query).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  const asked = each.filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const search = new URLSearchParams(asked).toString();
  return `/api/${path}${search ? `?${search}` : ""}`;
}

// A file's name may hold half a surrogate pair, which encodeURIComponent refuses.
function wellFormed(text) {
  return text.toWellFormed ? text.toWellFormed() : text;
}

/** Ask, and return the Response of a success. Throws ApiError. */
export async function ask(path, { method = "GET", body, type, signal } = {}) {
  let response;
  try {
    const given = headers(type ? { "Content-Type": type } : {});
    response = await fetch(path, { method, body, signal, headers: given });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("pixd does not answer", { advice: "is `pixd web` still running?" });
  }
  // Who may only look is offered no change: the style hides what makes one.
  const access = response.headers.get("Pixd-Access");
  if (access) document.documentElement.classList.toggle("may-change", access === "full");
  if (response.ok) return response;
  const { error = {} } = await response.json().catch(() => ({}));
  throw new ApiError(error.message || `pixd answered ${response.status}`, {
    status: response.status,
    advice: error.advice || "",
    retryAfterMs: 1000 * Number(response.headers.get("Retry-After") || 0),
  });
}

export async function get(parts, query, more) {
  return (await ask(address(parts, query), more)).json();
}

/** POST an object as JSON. */
export async function post(parts, told) {
  const given = { method: "POST", body: JSON.stringify(told), type: "application/json" };
  return (await ask(address(parts), given)).json();
}

/** Fetch a picture that the API gave the address of; what makes it may be busy for a moment. */
export async function picture(url) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await (await ask(url)).blob();
    } catch (error) {
      if (error.status !== 503 || tries >= BUSY_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs || BUSY_WAIT_MS));
    }
  }
}
