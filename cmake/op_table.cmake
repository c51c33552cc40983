# Writes the table of operations: one row for every entry REEL_OP(name) in SOURCES.
#   cmake -DSOURCES=a.c;b.c -DOUTPUT=op_table.c -P op_table.cmake

set(names)
foreach(source IN LISTS SOURCES)
  file(STRINGS "${source}" entries REGEX "^REEL_OP\\([a-z0-9_]+\\)")
  foreach(entry IN LISTS entries)
    string(REGEX REPLACE "^REEL_OP\\(([a-z0-9_]+)\\).*" "\\1" name "${entry}")
    if(name IN_LIST names)
      message(FATAL_ERROR "${source}: a second REEL_OP(${name})")
    endif()
    list(APPEND names ${name})
  endforeach()
endforeach()
list(SORT names)

set(declarations "")
set(rows "")
foreach(name IN LISTS names)
  string(APPEND declarations "extern const reel_op reel__op_${name};\n")
  string(APPEND rows "    &reel__op_${name},\n")
endforeach()

file(WRITE "${OUTPUT}" "/* Made by the build from the REEL_OP entries; do not edit. */
#include \"graph/op.h\"

${declarations}extern const reel_op *const reel__op_table[];

const reel_op *const reel__op_table[] = {
${rows}    NULL,
};
")
