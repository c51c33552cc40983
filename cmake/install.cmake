# Installs both libraries, the public headers, the CMake package and the pkg-config file.

include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/reel")

install(TARGETS reel_shared reel_static EXPORT reel)
install(DIRECTORY "${REEL_INCLUDE_DIR}/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h")
install(EXPORT reel NAMESPACE reel:: FILE reelTargets.cmake DESTINATION "${package_dir}")

configure_package_config_file(cmake/reelConfig.cmake.in reelConfig.cmake
  INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(reelConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/reelConfig.cmake"
  "${PROJECT_BINARY_DIR}/reelConfigVersion.cmake" cmake/FindReelBLAS.cmake
  DESTINATION "${package_dir}")

# reel.pc finds its prefix from its own place, so an installed tree may be moved.
file(RELATIVE_PATH prefix_from_pc "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig"
  "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" prefix_from_pc "${prefix_from_pc}")
set(private_libraries "")
foreach(library IN LISTS ReelBLAS_LIBRARIES)
  string(APPEND private_libraries " ${library}")
endforeach()
string(APPEND private_libraries " ${OpenMP_C_FLAGS} ${CMAKE_THREAD_LIBS_INIT} -lm")
set(private_modules "")
foreach(pair IN LISTS REEL_OPTIONAL_MODULES)
  string(REGEX REPLACE "^.*:" " " module "${pair}")
  string(APPEND private_modules "${module}")
endforeach()
configure_file(reel.pc.in reel.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/reel.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
