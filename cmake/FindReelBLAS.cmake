# Finds CBLAS and LAPACK for reel and makes the target reel::blas.
#
# OpenBLAS is preferred, and of OpenBLAS the flavour threaded with OpenMP, which shares one team of
# threads with reel. Debian keeps each flavour in a folder of its own under one soname; linking by
# the full path puts that folder into the run path, so that the flavour found here is the one
# loaded, whatever the system's alternatives say. Elsewhere any BLAS that brings cblas.h will do.
# REEL_HAVE_OPENBLAS is defined where the functions openblas_… can be called.

include(CheckSymbolExists)
include(FindPackageHandleStandardArgs)

set(brew_prefixes /opt/homebrew/opt/openblas /usr/local/opt/openblas)
find_library(ReelBLAS_LIBRARY NAMES openblaso openblas
  PATH_SUFFIXES openblas-openmp PATHS ${brew_prefixes})
find_path(ReelBLAS_INCLUDE_DIR NAMES cblas.h
  PATH_SUFFIXES openblas-openmp openblas PATHS ${brew_prefixes})

set(ReelBLAS_LIBRARIES ${ReelBLAS_LIBRARY})
if(ReelBLAS_LIBRARY AND ReelBLAS_INCLUDE_DIR)
  set(CMAKE_REQUIRED_LIBRARIES ${ReelBLAS_LIBRARY})
  set(CMAKE_REQUIRED_INCLUDES ${ReelBLAS_INCLUDE_DIR})
  set(CMAKE_REQUIRED_QUIET TRUE)
  check_symbol_exists(openblas_get_parallel cblas.h REEL_HAVE_OPENBLAS)
  unset(CMAKE_REQUIRED_LIBRARIES)
  unset(CMAKE_REQUIRED_INCLUDES)
  unset(CMAKE_REQUIRED_QUIET)
elseif(NOT ReelBLAS_LIBRARY)
  find_package(BLAS QUIET)
  find_package(LAPACK QUIET)
  set(ReelBLAS_LIBRARIES ${LAPACK_LIBRARIES} ${BLAS_LIBRARIES})
endif()

find_package_handle_standard_args(ReelBLAS
  REQUIRED_VARS ReelBLAS_LIBRARIES ReelBLAS_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "reel needs BLAS with cblas.h (Debian and Ubuntu: libopenblas-openmp-dev)")
mark_as_advanced(ReelBLAS_LIBRARY ReelBLAS_INCLUDE_DIR)

if(ReelBLAS_FOUND AND NOT TARGET reel::blas)
  add_library(reel::blas INTERFACE IMPORTED)
  set_target_properties(reel::blas PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${ReelBLAS_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES "${ReelBLAS_LIBRARIES}")
  if(REEL_HAVE_OPENBLAS)
    set_target_properties(reel::blas PROPERTIES INTERFACE_COMPILE_DEFINITIONS REEL_HAVE_OPENBLAS)
  endif()
endif()
