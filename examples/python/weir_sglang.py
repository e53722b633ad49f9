"""weir as a storage backend of SGLang's HiCache:

    --enable-hierarchical-cache --hicache-storage-backend dynamic
    --hicache-storage-backend-extra-config '{"backend_name": "weir",
        "module_path": "weir_sglang", "class_name": "WeirStorage",
        "url": "lua:/etc/weir/kv.lua", "options": {"timeout": "2s"}}'

What was read, of which version: SGLang's mem_cache/hicache_storage.py,
mem_cache/storage/backend_factory.py and managers/cache_controller.py at
001067f (2026). Only stand-ins of SGLang were run, not SGLang itself.

The controller's threads call the batch_* methods with hashes of pages and
tensors in host memory. A page that cannot be read counts as absent, and the
prefix ends there. An exception would end the thread for good, so errors of a
store are logged and never raised.

Not there: the interfaces "v1" and "v2", for pages in the controller's own
pool and for pools beside it.
"""
import logging
from typing import Any, List, Optional, Sequence

import weir
from weir import library

try:
    from sglang.srt.mem_cache.hicache_storage import HiCacheStorage
except ImportError:  # for reading and tests
    HiCacheStorage = object

logger = logging.getLogger(__name__)
PAGE = 512


def memory_of(tensor: Any) -> memoryview:
    """The memory of a tensor in host memory, without a copy. The tensor must
    be kept while the memory is used."""
    if not hasattr(tensor, "data_ptr"):
        return memoryview(tensor).cast("B")
    if tensor.device.type != "cpu":
        raise ValueError("a tensor must be in host memory, not on %s"
                         % tensor.device)
    if not tensor.is_contiguous():
        raise ValueError("a tensor must be contiguous, not of shape %s with "
                         "strides %s" % (tuple(tensor.shape), tensor.stride()))
    return library.view_memory(tensor.data_ptr(),
                               tensor.numel() * tensor.element_size(),
                               library.VIEW_WRITE)


def prefix_of(config: Any) -> str:
    """What the keys of one rank of one model begin with. All ranks of a model
    with MLA have the same pages, and share them."""
    parts = [(getattr(config, "model_name", None) or "model")]
    if not getattr(config, "is_mla_model", False):
        parts.append("tp%d.%d" % (config.tp_rank, config.tp_size))
    for name in ("pp", "attn_cp"):
        size = getattr(config, name + "_size", 1)
        if size > 1:
            parts.append("%s%d.%d" % (name, getattr(config, name + "_rank"),
                                      size))
    return "@".join(parts) + "@"


class WeirStorage(HiCacheStorage):
    """A store of weir behind HiCache's interface."""

    def __init__(self, storage_config: Any, options: Any = None):
        extra = storage_config.extra_config or {}
        if "url" not in extra:
            raise ValueError('weir_sglang: the extra config must have a "url"')
        self.store = weir.Store(extra["url"], **extra.get("options", {}))
        self.prefix = prefix_of(storage_config)

    def keys(self, keys: Sequence[str]) -> List[str]:
        return [self.prefix + key for key in keys]

    def tell(self, reply: weir.Reply, what: str) -> None:
        if reply.errors:
            logger.warning("weir: %d of %d pages were not %s: %s",
                           reply.errors, len(reply), what, next(filter(
                               None, map(reply.error, range(len(reply))))))

    def batch_get(self, keys: Sequence[str],
                  target_locations: Optional[Sequence[Any]] = None,
                  target_sizes: Any = None) -> List[Optional[Any]]:
        """Reads pages into tensors: of each the tensor, or None. A page of
        another size than its tensor is none."""
        targets = list(target_locations or [])
        views = [memory_of(target) for target in targets]
        reply = self.store.get_into_many(self.keys(keys), views)
        self.tell(reply, "read")
        return [target if size == view.nbytes else None
                for target, view, size in zip(targets, views, reply)]

    def batch_set(self, keys: Sequence[str],
                  values: Optional[Sequence[Any]] = None,
                  target_locations: Any = None,
                  target_sizes: Any = None) -> bool:
        """Stores tensors as pages. False: not all of them."""
        reply = self.store.set_many(self.keys(keys), [
            memory_of(value.contiguous() if hasattr(value, "contiguous")
                      else value) for value in values or []])
        self.tell(reply, "stored")
        return all(reply)

    def batch_exists(self, keys: Sequence[str], extra_info: Any = None) -> int:
        """How many pages there are from the start."""
        reply = self.store.exists_many(self.keys(keys))
        self.tell(reply, "looked up")
        return [*reply, False].index(False)

    def get(self, key: str, target_location: Any = None,
            target_sizes: Any = None) -> Optional[Any]:
        """Reads a page into a tensor: the tensor, or None."""
        return self.batch_get([key], [target_location])[0]

    def set(self, key: str, value: Any = None, target_location: Any = None,
            target_sizes: Any = None) -> bool:
        """Stores a tensor as a page."""
        return self.batch_set([key], [value])

    def exists(self, key: str) -> bool:
        """Whether a page is there."""
        return self.batch_exists([key]) == 1

    def clear(self) -> None:
        """Removes the pages of this rank."""
        found: List[bytes] = []
        try:
            for entry in self.store.scan(self.prefix):
                found.append(entry.key)
                if len(found) == PAGE:
                    self.tell(self.store.delete_many(found), "removed")
                    found = []
            self.tell(self.store.delete_many(found), "removed")
        except weir.Error as error:
            logger.warning("weir: pages were not removed: %s", error)

    def close(self) -> None:
        """Ends the store."""
        self.store.close()
