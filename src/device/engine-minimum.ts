/** The oldest that load what is sent and run our Compose files: Debian 12's docker.io, and the first Compose v2 with `up --wait`'s fixes. */
export const engineMinimum = { engine: '20.10.0', compose: '2.17.0' } as const;
