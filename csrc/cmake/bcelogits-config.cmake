# find_package(bcelogits [version] [COMPONENTS static|shared]) gives the target bcelogits::bcelogits.
#
# Without a component: static if BUILD_SHARED_LIBS is defined and off, else shared; the other if that is not installed.
set(bcelogits_wanted shared static)
if(bcelogits_FIND_COMPONENTS)
  set(bcelogits_wanted ${bcelogits_FIND_COMPONENTS})
elseif(DEFINED BUILD_SHARED_LIBS AND NOT BUILD_SHARED_LIBS)
  set(bcelogits_wanted static shared)
endif()

set(bcelogits_FOUND FALSE)
foreach(bcelogits_kind IN LISTS bcelogits_wanted)
  if(EXISTS "${CMAKE_CURRENT_LIST_DIR}/bcelogits-${bcelogits_kind}.cmake")
    include("${CMAKE_CURRENT_LIST_DIR}/bcelogits-${bcelogits_kind}.cmake")
    set(bcelogits_${bcelogits_kind}_FOUND TRUE)
    set(bcelogits_FOUND TRUE)
    break()
  endif()
endforeach()
if(NOT bcelogits_FOUND)
  set(bcelogits_NOT_FOUND_MESSAGE "not installed in ${CMAKE_CURRENT_LIST_DIR}: ${bcelogits_wanted}")
endif()
unset(bcelogits_kind)
unset(bcelogits_wanted)
