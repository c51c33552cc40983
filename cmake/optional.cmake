# Libraries that reel does without where they are missing: what needs one then fails with an error
# that names it. REEL_HAVE_<NAME> is defined for reel's own sources where it is found, and
# -DREEL_WITH_<NAME>=OFF leaves it out though it is there.
#
#   NAME        pkg-config module   what needs it
#   JANSSON     jansson             safetensors and everything else that carries JSON
#   LIBZIP      libzip              .npz
#   UTF8PROC    libutf8proc         Unicode in vocabularies and text metrics
#   PROTOBUF_C  libprotobuf-c       ONNX
#   HDF5        hdf5                writing Keras's .weights.h5

find_package(PkgConfig QUIET)
set(REEL_OPTIONAL_TARGETS "")
set(REEL_OPTIONAL_MODULES "")
add_library(reel_optional INTERFACE)

function(reel_optional name module)
  option(REEL_WITH_${name} "Use ${module} where it is found" ON)
  if(NOT REEL_WITH_${name} OR NOT PkgConfig_FOUND)
    return()
  endif()
  pkg_check_modules(REEL_${name} QUIET IMPORTED_TARGET ${module})
  if(REEL_${name}_FOUND)
    target_compile_definitions(reel_optional INTERFACE REEL_HAVE_${name})
    target_link_libraries(reel_optional INTERFACE PkgConfig::REEL_${name})
    set(REEL_OPTIONAL_TARGETS ${REEL_OPTIONAL_TARGETS} PkgConfig::REEL_${name} PARENT_SCOPE)
    set(REEL_OPTIONAL_MODULES ${REEL_OPTIONAL_MODULES} ${name}:${module} PARENT_SCOPE)
  else()
    message(STATUS "${module} is missing: what needs it is an error at run time")
  endif()
endfunction()

reel_optional(JANSSON jansson)
reel_optional(LIBZIP libzip)
reel_optional(UTF8PROC libutf8proc)
reel_optional(PROTOBUF_C libprotobuf-c)
reel_optional(HDF5 hdf5)
