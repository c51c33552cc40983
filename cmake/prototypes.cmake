# Reading prototypes: what the scripts share that write C from the public headers. A prototype starts a
# line with REEL_API and may run over several lines.
#
# CMake takes ";", "[" and "]" for the syntax of lists. In the texts read here "$" stands for ";",
# "<" and ">" for brackets, "@" for "->"; `write_c` turns them back.

# Cuts every stretch of the text in `variable` from `open` up to `close` (or the end).
function(cut_between variable open close)
  set(rest "${${variable}}")
  set(kept "")
  string(LENGTH "${close}" close_length)
  while(TRUE)
    string(FIND "${rest}" "${open}" start)
    if(start EQUAL -1)
      break()
    endif()
    string(SUBSTRING "${rest}" 0 ${start} before)
    string(APPEND kept "${before}")
    string(SUBSTRING "${rest}" ${start} -1 rest)
    string(FIND "${rest}" "${close}" end)
    if(end EQUAL -1)
      set(rest "")
      break()
    endif()
    math(EXPR end "${end} + ${close_length}")
    string(SUBSTRING "${rest}" ${end} -1 rest)
  endwhile()
  set(${variable} "${kept}${rest}" PARENT_SCOPE)
endfunction()

# The text of a header, comments included.
function(read_header header out)
  file(READ "${header}" text)
  string(REPLACE "$" " " text "${text}")
  string(REPLACE "->" "@" text "${text}")
  string(REPLACE ";" "$" text "${text}")
  string(REPLACE "[" "<" text "${text}")
  string(REPLACE "]" ">" text "${text}")
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

# The prototypes in a text without comments, each on one line, in `out`.
function(find_prototypes text out)
  string(REGEX MATCHALL "\nREEL_API[ \n][^$]*" found "\n${text}")
  list(TRANSFORM found REPLACE "[ \n\t]+" " ")
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# A prototype → `out`_TYPE "reel_var " (with its space or star), `out`_NAME "reel_exp",
# `out`_PARAMETERS "reel_var x)", up to the end; all "" for what is none.
function(read_prototype prototype out)
  if(NOT prototype MATCHES "^ REEL_API ([^(]*[ *])(reel_[a-z0-9_]+) ?\\((.*)$")
    set(CMAKE_MATCH_1 "")
    set(CMAKE_MATCH_2 "")
    set(CMAKE_MATCH_3 "")
  endif()
  set(${out}_TYPE "${CMAKE_MATCH_1}" PARENT_SCOPE)
  set(${out}_NAME "${CMAKE_MATCH_2}" PARENT_SCOPE)
  set(${out}_PARAMETERS "${CMAKE_MATCH_3}" PARENT_SCOPE)
endfunction()

# "reel_var x" → `out`_TYPE "reel_var", `out`_NAME "x" (or `otherwise`), `out`_ARRAY "<>" or "".
function(read_parameter parameter otherwise out)
  string(STRIP "${parameter}" parameter)
  set(array "")
  if(parameter MATCHES "^(.*[^ ]) ?(<.*>)$")
    set(parameter "${CMAKE_MATCH_1}")
    set(array "${CMAKE_MATCH_2}")
  endif()
  set(name "${otherwise}")
  set(type "${parameter}")
  if(NOT parameter MATCHES "^const [a-z0-9_]+$" AND parameter MATCHES
     "^((const )?(struct )?[a-z0-9_]+( \\*const \\*| \\*const | \\*| ))([A-Za-z_][A-Za-z0-9_]*)$")
    string(STRIP "${CMAKE_MATCH_1}" type)
    set(name "${CMAKE_MATCH_5}")
  endif()
  set(${out}_TYPE "${type}" PARENT_SCOPE)
  set(${out}_NAME "${name}" PARENT_SCOPE)
  set(${out}_ARRAY "${array}" PARENT_SCOPE)
endfunction()

# Writes a text as C.
function(write_c file text)
  string(REPLACE "$" ";" text "${text}")
  string(REPLACE "<" "[" text "${text}")
  string(REPLACE ">" "]" text "${text}")
  string(REPLACE "@" "->" text "${text}")
  file(WRITE "${file}" "${text}")
endfunction()
