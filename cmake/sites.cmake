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

include("${CMAKE_CURRENT_LIST_DIR}/prototypes.cmake")

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
  read_header("${header}" text)

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
find_prototypes("${all}" prototypes)
foreach(prototype IN LISTS prototypes)
  read_prototype("${prototype}" p)
  set(type "${p_TYPE}")
  set(name "${p_NAME}")
  set(parameters "${p_PARAMETERS}")
  if(name STREQUAL "" OR name IN_LIST exempt OR name IN_LIST seen)
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

write_c("${OUTPUT}" "/*
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
