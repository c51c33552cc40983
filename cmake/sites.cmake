# Writes the macros that record the caller's file and line, from the prototypes in HEADERS.
#   cmake -DHEADERS=a.h;b.h -DOUTPUT=sites.h -P sites.cmake
#
# A prototype starts a line with REEL_API and may run over several lines.
#   REEL_API reel_var reel_f(...)            the result is located:
#       reel_located((reel_f)(...), __FILE__, __LINE__)
#   REEL_API other reel_f(reel_var v, ...)   the first argument is stamped:
#       (reel_f)(reel_here(v, __FILE__, __LINE__), ...)
#   REEL_API other reel_f(reel_tape *t, ...) the same by reel_here_tape, unless it returns nothing
# Left alone: the functions of which places are made and the ways to record (`exempt` below); names
# ending in _n; names in a comment "/* no site: reel_f reel_g */"; what stands between
# "/* sites off */" and "/* sites on */".

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

set(exempt reel_located reel_here reel_here_tape reel_record reel_record_on reel_fail)
set(located "")
set(stamped "")
set(seen)
foreach(header IN LISTS HEADERS)
  file(READ "${header}" text)
  # CMake reads these characters as list syntax; "$" stands for the end of a declaration.
  string(REPLACE "$" " " text "${text}")
  string(REPLACE ";" "$" text "${text}")
  string(REPLACE "[" "<" text "${text}")
  string(REPLACE "]" ">" text "${text}")

  string(REGEX MATCHALL "/\\* no site:[^*]*\\*/" notes "${text}")
  foreach(note IN LISTS notes)
    string(REGEX MATCHALL "reel_[a-z0-9_]+" names "${note}")
    list(APPEND exempt ${names})
  endforeach()
  cut_between(text "/* sites off */" "/* sites on */")
  cut_between(text "/*" "*/")

  string(REGEX MATCHALL "\nREEL_API[ \n][^$]*" prototypes "\n${text}")
  foreach(prototype IN LISTS prototypes)
    string(REGEX REPLACE "[ \n\t]+" " " prototype "${prototype}")
    if(NOT prototype MATCHES "^ REEL_API ([^(]*[ *])(reel_[a-z0-9_]+) ?\\((.*)$")
      continue()
    endif()
    set(type "${CMAKE_MATCH_1}")
    set(name "${CMAKE_MATCH_2}")
    set(parameters "${CMAKE_MATCH_3}")
    if(name IN_LIST exempt OR name MATCHES "_n$" OR name IN_LIST seen)
      continue()
    endif()
    if(type STREQUAL "reel_var ")
      string(APPEND located "#define ${name}(...) "
        "reel_located((${name})(__VA_ARGS__), __FILE__, __LINE__)\n")
    elseif(parameters MATCHES "^ ?reel_var ?[a-z0-9_A-Z]* ?\\)")
      string(APPEND stamped
        "#define ${name}(v) (${name})(reel_here((v), __FILE__, __LINE__))\n")
    elseif(parameters MATCHES "^ ?reel_var ?[a-z0-9_A-Z]* ?,")
      string(APPEND stamped
        "#define ${name}(v, ...) (${name})(reel_here((v), __FILE__, __LINE__), __VA_ARGS__)\n")
    elseif(NOT type STREQUAL "void " AND parameters MATCHES "^ ?reel_tape ?\\* ?[a-z]* ?,")
      string(APPEND stamped
        "#define ${name}(t, ...) (${name})(reel_here_tape((t), __FILE__, __LINE__), __VA_ARGS__)\n")
    endif()
    list(APPEND seen ${name})
  endforeach()
endforeach()

file(WRITE "${OUTPUT}" "/*
 * Made by the build from the prototypes; do not edit. Each macro calls the function of its own name
 * and tells the tape the caller's file and line. Off with REEL_NO_SITES.
 */
#if !defined(REEL_SITES_H) && !defined(REEL_NO_SITES)
#define REEL_SITES_H

/* the result remembers the line that recorded it */
${located}
/* an error met here names this line */
${stamped}
#endif
")
