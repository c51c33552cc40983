# Writes the macros that record the caller's file and line, from the prototypes in HEADERS.
#   cmake -DHEADERS=a.h;b.h -DOUTPUT=sites.h -P sites.cmake
#
# A prototype starts a line with REEL_API and may run over several lines.
#   REEL_API reel_var reel_f(...)            the result is located:
#       reel_located((reel_f)(...), __FILE__, __LINE__)
#   REEL_API other reel_f(T a, U b)          the call is entered and left:
#       a function reel_from_f(file, line, a, b) calls it between reel_enter and reel_leave
# The tape to be told is the first found among the parameters: a reel_var's, a reel_tape * itself, or
# what a header's comment "/* site: TYPE EXPRESSION */" says of a parameter of that type, which is
# called `it` there: "/* site: reel_model reel_model_tape(it) */". Where there is none, or nothing is
# returned and the first parameter is no reel_var, a function is left alone. So are those of which
# places are made and the ways to record (`exempt` below); functions of a reel_var whose names end
# in _n; those with functions or "..." among their parameters; names in a comment
# "/* no site: reel_f reel_g */"; what stands between "/* sites off */" and "/* sites on */".

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

# The wrapper and macro of a function, in `out`; "" where no parameter leads to a tape.
function(enter type name parameters out)
  set(${out} "" PARENT_SCOPE)
  string(REPLACE "," ";" list "${parameters}")
  set(tape "")
  set(declared "")
  set(passed "")
  foreach(parameter IN LISTS list)
    list(LENGTH passed place)
    read_parameter("${parameter}" "p${place}" p)
    list(APPEND declared "${p_TYPE} ${p_NAME}${p_ARRAY}")
    list(APPEND passed "${p_NAME}")
    string(REGEX REPLACE "^const | ?\\*$" "" plain "${p_TYPE}")
    if(tape OR p_ARRAY)
      continue()
    elseif(p_TYPE STREQUAL "reel_var")
      set(tape "${p_NAME}.tape")
    elseif(p_TYPE STREQUAL "reel_tape *")
      set(tape "${p_NAME}")
    elseif(plain IN_LIST marked)
      string(REGEX REPLACE "(^|[^a-z_])it($|[^a-z_])" "\\1${p_NAME}\\2" tape "${tape_of_${plain}}")
    endif()
  endforeach()
  list(GET list 0 first)
  if(NOT tape OR (type STREQUAL "void " AND NOT first MATCHES "^ ?reel_var( |$)"))
    return()
  endif()
  string(REGEX REPLACE "^reel_" "reel_from_" wrapper "${name}")
  list(JOIN declared ", " declared)
  list(JOIN passed ", " passed)
  set(result "${type}reel_out = ")
  set(return "    return reel_out$\n")
  if(type STREQUAL "void ")
    set(result "")
    set(return "")
  endif()
  set(${out} "static inline ${type}${wrapper}(const char *reel_file, int reel_line, ${declared})
{
    reel_tape *reel_its = ${tape}$
    reel_site reel_before = reel_enter(reel_its, reel_file, reel_line)$
    ${result}(${name})(${passed})$
    reel_leave(reel_its, reel_before)$
${return}}
#define ${name}(...) ${wrapper}(__FILE__, __LINE__, __VA_ARGS__)
" PARENT_SCOPE)
endfunction()

set(exempt reel_located reel_enter reel_leave reel_record reel_record_on reel_fail)
set(marked)
set(all "")
foreach(header IN LISTS HEADERS)
  file(READ "${header}" text)
  # CMake reads these characters as list syntax; "$" stands for the end of a declaration.
  string(REPLACE "$" " " text "${text}")
  string(REPLACE "->" "@" text "${text}")
  string(REPLACE ";" "$" text "${text}")
  string(REPLACE "[" "<" text "${text}")
  string(REPLACE "]" ">" text "${text}")

  string(REGEX MATCHALL "/\\* no site:[^*]*\\*/" notes "${text}")
  foreach(note IN LISTS notes)
    string(REGEX MATCHALL "reel_[a-z0-9_]+" names "${note}")
    list(APPEND exempt ${names})
  endforeach()
  string(REGEX MATCHALL "/\\* site: [^*]*\\*/" notes "${text}")
  foreach(note IN LISTS notes)
    string(REGEX MATCH "site: ([a-z0-9_]+) ([^*]*[^* ]) " note "${note}")
    list(APPEND marked ${CMAKE_MATCH_1})
    set(tape_of_${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
    string(REGEX MATCHALL "reel_[a-z0-9_]+" names "${CMAKE_MATCH_2}")
    list(APPEND exempt ${names})
  endforeach()
  cut_between(text "/* sites off */" "/* sites on */")
  cut_between(text "/*" "*/")
  string(APPEND all "\n${text}")
endforeach()

set(located "")
set(entered "")
set(seen)
string(REGEX MATCHALL "\nREEL_API[ \n][^$]*" prototypes "${all}")
foreach(prototype IN LISTS prototypes)
  string(REGEX REPLACE "[ \n\t]+" " " prototype "${prototype}")
  if(NOT prototype MATCHES "^ REEL_API ([^(]*[ *])(reel_[a-z0-9_]+) ?\\((.*)$")
    continue()
  endif()
  set(type "${CMAKE_MATCH_1}")
  set(name "${CMAKE_MATCH_2}")
  set(parameters "${CMAKE_MATCH_3}")
  if(name IN_LIST exempt OR name IN_LIST seen)
    continue()
  endif()
  if(type STREQUAL "reel_var " AND name MATCHES "_n$")
    continue()
  elseif(type STREQUAL "reel_var ")
    string(APPEND located "#define ${name}(...) "
      "reel_located((${name})(__VA_ARGS__), __FILE__, __LINE__)\n")
  elseif(NOT parameters MATCHES "\\.\\.\\.|^ ?void ?\\)" AND parameters MATCHES "^([^()]*)\\)")
    enter("${type}" ${name} "${CMAKE_MATCH_1}" wrapper)
    string(APPEND entered "${wrapper}")
  endif()
  list(APPEND seen ${name})
endforeach()

string(REPLACE "$" ";" entered "${entered}")
string(REPLACE "<" "[" entered "${entered}")
string(REPLACE ">" "]" entered "${entered}")
string(REPLACE "@" "->" entered "${entered}")
file(WRITE "${OUTPUT}" "/*
 * Made by the build from the prototypes; do not edit. Each macro calls the function of its own name
 * and tells the tape the caller's file and line. Off with REEL_NO_SITES.
 */
#if !defined(REEL_SITES_H) && !defined(REEL_NO_SITES)
#define REEL_SITES_H

/* the result remembers the line that recorded it */
${located}
/* an error met here names this line */
#ifdef __cplusplus
extern \"C\" {
#endif
${entered}
#ifdef __cplusplus
}
#endif

#endif
")
