# SPDX-License-Identifier: Apache-2.0
# Compiler and linker flags of each flavour; see CMakePresets.json.
set(CORACLE_FLAVOUR debug CACHE STRING "release, debug, asan, tsan, sim or fuzz")
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

add_compile_definitions(_GNU_SOURCE CORACLE_VERSION="${PROJECT_VERSION}")
add_compile_options(-Wall -Wextra -Wconversion -Wshadow -Wvla -Wmissing-prototypes
  -Wstrict-prototypes -Wundef -Wformat=2 -Wpointer-arith -Wwrite-strings -Werror
  -fno-strict-aliasing -fvisibility=hidden)
add_link_options(-Wl,--as-needed)

if(CORACLE_FLAVOUR STREQUAL release)
  set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g1")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong
    -fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero
    -ffunction-sections -fdata-sections -flto=auto)
  add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code
    -Wl,--gc-sections -flto=auto)
elseif(CORACLE_FLAVOUR STREQUAL asan)
  add_compile_options(-O1 -fsanitize=address,undefined -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
elseif(CORACLE_FLAVOUR STREQUAL sim)
  set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O3 -g1 -DNDEBUG")
  add_compile_options(-fno-plt -flto=auto)
  add_link_options(-flto=auto -Wl,-z,now)
elseif(CORACLE_FLAVOUR STREQUAL tsan)
  add_compile_options(-O1 -fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(CORACLE_FLAVOUR STREQUAL fuzz)
  # clang takes a variable that only owns (auto_) for unused; gcc knows better.
  add_compile_options(-Wno-unused-variable -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
endif()
