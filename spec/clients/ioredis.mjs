// ioredis as checks.mjs drives it.
import { Redis, Cluster } from "ioredis";

const retry = (times) => Math.min(50 * times, 500);

export const name = "ioredis";

export async function connect(port, { cluster, password } = {}) {
  const options = { host: "127.0.0.1", port, password, retryStrategy: retry,
    maxRetriesPerRequest: 100 };
  const c = cluster
    ? new Cluster([{ host: "127.0.0.1", port }],
      { clusterRetryStrategy: retry, redisOptions: { password } })
    : new Redis(options);
  c.on("error", () => {});
  if (password) await c.ping();
  const masters = () => (cluster ? c.nodes("master") : [c]);
  return {
    set: (key, value, seconds) => (seconds ? c.set(key, value, "EX", seconds)
      : c.set(key, value)),
    get: (key) => c.getBuffer(key),
    mget: (keys) => c.mgetBuffer(keys),
    del: (keys) => c.del(...keys),
    exists: (keys) => c.exists(...keys),
    ttl: (key) => c.ttl(key),
    expire: (key, seconds) => c.expire(key, seconds),
    persist: (key) => c.persist(key),
    strlen: (key) => c.strlen(key),
    type: (key) => c.type(key),
    lpush: (key) => c.lpush(key, "x"),
    async info(section) {
      return Promise.all(masters().map((node) => node.info(section)));
    },
    async scan(pattern) {
      const found = new Set();
      for (const node of masters()) {
        for await (const keys of node.scanStream({ match: pattern, count: 100 }))
          for (const key of keys) found.add(key);
      }
      return found;
    },
    // Keys of one slot: ioredis refuses others in a pipeline to a cluster.
    async pipeline(pairs) {
      const p = c.pipeline();
      for (const [key, value] of pairs) p.set(key, value);
      for (const [key] of pairs) p.get(key);
      return (await p.exec()).map(([error, value]) => error ?? value);
    },
    async transaction(pairs) {
      const m = c.multi();
      for (const [key, value] of pairs) m.set(key, value);
      for (const [key] of pairs) m.get(key);
      return (await m.exec()).map(([error, value]) => error ?? value);
    },
    close: () => c.disconnect(),
  };
}
