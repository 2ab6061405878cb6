/**
 * Keeps the inspector's pages, and what they are made of, for places without a network. The network comes first: what is
 * kept is used only when it does not answer. Evidence is no business of this file: it waits in the page's own database.
 */
const CACHE = "dms-inspection";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

async function answer(request) {
    const cache = await caches.open(CACHE);
    try {
        const response = await fetch(request);
        // A redirection is the log-in page: that is not what was asked for.
        if (response.ok && !response.redirected) {
            await cache.put(request, response.clone());
        }
        return response;
    } catch (error) {
        // Of translations those of the last visit will do; the address names their version.
        const ignoreSearch = new URL(request.url).pathname.endsWith("/translations");
        const kept = await cache.match(request, { ignoreVary: true, ignoreSearch });
        if (!kept) {
            throw error;
        }
        return kept;
    }
}

self.addEventListener("fetch", (event) => {
    const { request } = event;
    const url = new URL(request.url);
    if (
        request.method === "GET" &&
        url.origin === self.location.origin &&
        !url.pathname.endsWith("/report")
    ) {
        event.respondWith(answer(request));
    }
});
