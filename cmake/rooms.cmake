# SPDX-License-Identifier: Apache-2.0
# A room is a folder that is one target. It sees the headers of the rooms it names in NEEDS and no
# others: each room's headers are reachable through an include directory of its own, so that a
# wrong include does not compile.
find_package(PkgConfig REQUIRED)

# coracle_expose(<target> <folder>): publish the headers of <folder> under their path from the top.
function(coracle_expose target folder)
  set(shelf ${CMAKE_BINARY_DIR}/include/${target})
  get_filename_component(parent ${folder} DIRECTORY)
  file(MAKE_DIRECTORY ${shelf}/${parent})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${folder} ${shelf}/${folder} SYMBOLIC)
  target_include_directories(${target} PUBLIC ${shelf})
endfunction()

# coracle_libraries(<target> <pkg-config names...>): link system libraries, private to the room.
function(coracle_libraries target)
  foreach(name ${ARGN})
    pkg_check_modules(PC_${name} REQUIRED IMPORTED_TARGET ${name})
    target_link_libraries(${target} PRIVATE PkgConfig::PC_${name})
  endforeach()
endfunction()

# coracle_library(<target> [NEEDS rooms...] [PACKAGES pkg-config names...] [LINK raw libraries...])
# makes the current folder a room: every .c in it, its headers, its doors.
function(coracle_library target)
  cmake_parse_arguments(A "" "" "NEEDS;PACKAGES;LINK" ${ARGN})
  file(RELATIVE_PATH folder ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  add_library(${target} STATIC ${sources})
  coracle_expose(${target} ${folder})
  target_link_libraries(${target} PUBLIC ${A_NEEDS} PRIVATE ${A_LINK})
  coracle_libraries(${target} ${A_PACKAGES})
endfunction()

# coracle_service(<name> [NEEDS rooms...] [PACKAGES ...] [LINK ...]): the current folder is a
# service: a program <name> from main.c, and a library svc_<name> of the rest that tests link.
function(coracle_service name)
  cmake_parse_arguments(A "" "" "NEEDS;PACKAGES;LINK" ${ARGN})
  file(RELATIVE_PATH folder ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/main.c)
  add_library(svc_${name} STATIC ${sources})
  coracle_expose(svc_${name} ${folder})
  target_link_libraries(svc_${name} PUBLIC ${A_NEEDS} PRIVATE ${A_LINK})
  coracle_libraries(svc_${name} ${A_PACKAGES})
  add_executable(${name} main.c)
  target_link_libraries(${name} PRIVATE svc_${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# coracle_tool(<name> <source> [NEEDS rooms...] [PACKAGES ...]): a program for people, in bin/.
function(coracle_tool name)
  cmake_parse_arguments(A "" "" "SOURCES;NEEDS;PACKAGES" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE ${A_NEEDS})
  coracle_libraries(${name} ${A_PACKAGES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# coracle_test(<kind> <source> [NEEDS rooms...]): one cmocka program; <kind> is its ctest label. Exit
# code 77: it cannot run on this machine. Not built in the flavours fuzz and release.
function(coracle_test kind source)
  if(CORACLE_FLAVOUR STREQUAL release)
    return()
  endif()
  cmake_parse_arguments(A "" "" "NEEDS;PACKAGES" ${ARGN})
  get_filename_component(base ${source} NAME_WE)
  string(REPLACE "/" "." name ${source})
  string(REPLACE ".c" "" name ${name})
  add_executable(${kind}.${name} ${source})
  if(CORACLE_FLAVOUR STREQUAL fuzz)
    set_target_properties(${kind}.${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  target_link_libraries(${kind}.${name} PRIVATE ${A_NEEDS})
  coracle_libraries(${kind}.${name} cmocka ${A_PACKAGES})
  target_compile_definitions(${kind}.${name} PRIVATE
    CORACLE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" CORACLE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  set_target_properties(${kind}.${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${kind}.${name} COMMAND ${kind}.${name})
  set_tests_properties(${kind}.${name} PROPERTIES LABELS ${kind} TIMEOUT 120
    SKIP_RETURN_CODE 77)
endfunction()

# coracle_fuzz(<name> <source> [NEEDS rooms...]): a libFuzzer target, only in the fuzz flavour.
function(coracle_fuzz name source)
  cmake_parse_arguments(A "" "" "NEEDS" ${ARGN})
  if(CORACLE_FLAVOUR STREQUAL fuzz)
    add_executable(fuzz.${name} ${source})
    target_link_libraries(fuzz.${name} PRIVATE ${A_NEEDS})
    target_link_options(fuzz.${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(fuzz.${name} PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  endif()
endfunction()
