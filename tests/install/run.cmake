# Installs the build in BUILD below WORK, builds the outside PROJECT against it through find_package
# and through pkg-config, and runs what comes out.

function(step)
  list(JOIN ARGN " " words)
  message(STATUS "${words}")
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(prefix "${WORK}/prefix")
set(outside "${WORK}/build")
file(REMOVE_RECURSE "${WORK}")
step("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${prefix}")

set(public ${HEADERS})
list(TRANSFORM public PREPEND reel/)
list(REMOVE_ITEM public reel/reel.h)
list(APPEND public reel.h reel/version.h reel/sites.h)
file(GLOB_RECURSE headers RELATIVE "${prefix}/include" "${prefix}/include/*")
foreach(header IN LISTS headers)
  if(NOT header IN_LIST public)
    message(FATAL_ERROR "${header} is installed and is not a public header")
  endif()
endforeach()

# ---- find_package --------------------------------------------------------------------------
step("${CMAKE_COMMAND}" -S "${PROJECT}" -B "${outside}" -G "${GENERATOR}"
  "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_C_COMPILER=${CC}" "-DCMAKE_CXX_COMPILER=${CXX}"
  -DCMAKE_BUILD_TYPE=Release)
step("${CMAKE_COMMAND}" --build "${outside}")
step("${outside}/my_cell")
step("${outside}/my_cell_static")
if(CXX)
  step("${outside}/from_cpp")
endif()

# ---- pkg-config ----------------------------------------------------------------------------
if(NOT PKG_CONFIG)
  message(STATUS "no pkg-config: its part is left out")
  return()
endif()
set(ENV{PKG_CONFIG_PATH} "${prefix}/${LIBDIR}/pkgconfig")
execute_process(COMMAND "${PKG_CONFIG}" --cflags --libs reel OUTPUT_VARIABLE flags
  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
set(run_path "-Wl,-rpath,${prefix}/${LIBDIR}")
step("${CC}" -std=c11 -Wall -Wextra -Werror "${PROJECT}/main.c" -o "${WORK}/my_cell" ${flags}
  "${run_path}")
step("${WORK}/my_cell")

# Every function of the installed headers is in the shared library.
set(functions "#include <reel.h>\nstatic void (*const function[])(void) = {\n")
foreach(header IN LISTS headers)
  file(READ "${prefix}/include/${header}" text)
  string(REGEX MATCHALL "\nREEL_API[^(;]*reel_[a-z0-9_]+\\(" prototypes "${text}")
  foreach(prototype IN LISTS prototypes)
    string(REGEX REPLACE ".*(reel_[a-z0-9_]+)\\($" "(void (*)(void))\\1,\n" address "${prototype}")
    string(APPEND functions "${address}")
  endforeach()
endforeach()
file(WRITE "${WORK}/functions.c" "${functions}};\nint main(void) { return !function[0]; }\n")
step("${CC}" -std=c11 "${WORK}/functions.c" -o "${WORK}/functions" ${flags} "${run_path}")
step("${WORK}/functions")

if(CXX)
  step("${CXX}" -std=c++11 -Wall -Wextra -Werror "${PROJECT}/from_cpp.cpp" -o "${WORK}/from_cpp"
    ${flags} "${run_path}")
  step("${WORK}/from_cpp")
endif()
