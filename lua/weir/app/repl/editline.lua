-- app/repl/editline.lua: the functions of libedit (histedit.h), under names of our own.
-- For libedit.lua.
local Ffi = require "weir.ffi"

return Ffi.system({ "libedit.so.2", "libedit.so.0", "edit" }, [[
struct weir_edit;
struct weir_edit_history;
struct weir_edit_event { int number; const int32_t *text; };
struct weir_edit_line { const int32_t *buffer, *cursor, *last; };
struct weir_edit *weir_edit_new(const char *, void *, void *, void *)
    __asm__("el_init");
void weir_edit_free(struct weir_edit *) __asm__("el_end");
int weir_edit_set(struct weir_edit *, int, ...) __asm__("el_wset");
const int32_t *weir_edit_gets(struct weir_edit *, int *) __asm__("el_wgets");
const struct weir_edit_line *weir_edit_line(struct weir_edit *) __asm__("el_wline");
int weir_edit_insert(struct weir_edit *, const int32_t *) __asm__("el_winsertstr");
void weir_edit_delete(struct weir_edit *, int) __asm__("el_deletestr");
void weir_edit_resize(struct weir_edit *) __asm__("el_resize");
struct weir_edit_history *weir_history_new(void) __asm__("history_winit");
void weir_history_free(struct weir_edit_history *) __asm__("history_wend");
int weir_history(struct weir_edit_history *, struct weir_edit_event *, int, ...)
    __asm__("history_w");
]])
