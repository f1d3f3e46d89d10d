# What is installed. Nothing in it names the folder it was installed to: the whole may be moved. Both kinds of library fit
# in one folder, one build after the other.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

install(FILES include/bcelogits.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS bcelogits EXPORT bcelogits-${bcelogits_kind}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# find_package.
set(bcelogits_cmakedir ${CMAKE_INSTALL_LIBDIR}/cmake/bcelogits)
install(EXPORT bcelogits-${bcelogits_kind} NAMESPACE bcelogits:: DESTINATION ${bcelogits_cmakedir})
# Before 1.0.0 a minor version may change anything.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(bcelogits_compatible SameMinorVersion)
else()
  set(bcelogits_compatible SameMajorVersion)
endif()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/bcelogits-config-version.cmake
  COMPATIBILITY ${bcelogits_compatible})
install(FILES cmake/bcelogits-config.cmake ${PROJECT_BINARY_DIR}/bcelogits-config-version.cmake
  DESTINATION ${bcelogits_cmakedir})

# pkg-config.
set(bcelogits_cflags "")
if(bcelogits_kind STREQUAL "shared")
  set(bcelogits_cflags " -DBCELOGITS_SHARED")
endif()
# An absolute folder stays as it is; a relative one is found from where the file lies.
foreach(dir IN ITEMS LIBDIR INCLUDEDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
    set(bcelogits_${dir} "${CMAKE_INSTALL_${dir}}")
  else()
    set(bcelogits_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
  endif()
endforeach()
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(bcelogits_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH bcelogits_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" bcelogits_prefix "\${pcfiledir}/${bcelogits_prefix}")
endif()
configure_file(cmake/bcelogits.pc.in ${PROJECT_BINARY_DIR}/bcelogits.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/bcelogits.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
