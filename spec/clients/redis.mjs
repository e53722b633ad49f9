// @redis/client as checks.mjs drives it.
import { createClient, createCluster, RESP_TYPES } from "@redis/client";

export const name = "@redis/client";

export async function connect(port, { cluster, password } = {}) {
  const url = `redis://127.0.0.1:${port}`;
  const socket = { reconnectStrategy: (times) => (password ? false
    : Math.min(50 * times, 500)) };
  const c = cluster
    ? createCluster({ rootNodes: [{ url }], defaults: { socket, password } })
    : createClient({ url, socket, password });
  c.on("error", () => {});
  await c.connect();
  const bytes = c.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  const masters = async () => (cluster
    ? Promise.all(c.masters.map((node) => c.nodeClient(node))) : [c]);
  const both = (m, pairs) => {
    for (const [key, value] of pairs) m.set(key, value);
    for (const [key] of pairs) m.get(key);
    return m;
  };
  return {
    set: (key, value, seconds) => c.set(key, value,
      seconds ? { expiration: { type: "EX", value: seconds } } : undefined),
    get: (key) => bytes.get(key),
    mget: (keys) => bytes.mGet(keys),
    del: (keys) => c.del(keys),
    exists: (keys) => c.exists(keys),
    ttl: (key) => c.ttl(key),
    expire: (key, seconds) => c.expire(key, seconds),
    persist: (key) => c.persist(key),
    strlen: (key) => c.strLen(key),
    type: (key) => c.type(key),
    lpush: (key) => c.lPush(key, "x"),
    async info(section) {
      return Promise.all((await masters()).map((node) => node.info(section)));
    },
    async scan(pattern) {
      const found = new Set();
      for (const node of await masters()) {
        for await (const keys of node.scanIterator({ MATCH: pattern, COUNT: 100 }))
          for (const key of keys) found.add(key);
      }
      return found;
    },
    pipeline: (pairs) => both(c.multi(), pairs).execAsPipeline(),
    transaction: (pairs) => both(c.multi(), pairs).exec(),
    close: () => c.destroy(),
  };
}
