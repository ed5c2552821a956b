/** Where the server is: behind a prefix (PHOENIX_HOST_ROOT_PATH) too, which this module's own address shows. */

const base = new URL("..", import.meta.url);

/** The URL of a path of the server, such as "/v1/datasets". */
export function serverUrl(path) {
  return new URL(path.replace(/^\//, ""), base).href;
}

/** Whether anyone between this browser and the server can read what they say; this machine itself is trusted. */
export const inClear = !window.isSecureContext;

/** The console's own page, without a trailing slash: what programs are given as the server's address. */
export const serverAddress = base.href.replace(/\/$/, "");
