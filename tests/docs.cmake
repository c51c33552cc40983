# Programs in docs/*.md: every block of C that has a main is built against the public headers and the
# shared library, and run. Those of one document run one after another in a folder of its own, so
# that one may read what another wrote.

file(GLOB documents CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/*.md")

# The blocks of FILE as NAME_1.c, NAME_2.c, … under FOLDER; their count goes to VARIABLE. What ends
# a block is a line of ``` alone.
function(reel_write_blocks file name folder variable)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
  file(READ "${file}" rest)
  set(count 0)
  while(TRUE)
    string(FIND "${rest}" "\n```c\n" begin)
    if(begin EQUAL -1)
      break()
    endif()
    math(EXPR begin "${begin} + 6")
    string(SUBSTRING "${rest}" ${begin} -1 rest)
    string(FIND "${rest}" "\n```\n" end)
    string(SUBSTRING "${rest}" 0 ${end} block)
    string(SUBSTRING "${rest}" ${end} -1 rest)
    string(FIND "${block}" "int main(" main)
    if(NOT main EQUAL -1)
      math(EXPR count "${count} + 1")
      file(CONFIGURE OUTPUT "${folder}/${name}_${count}.c" CONTENT "@block@\n" @ONLY)
    endif()
  endwhile()
  set(${variable} ${count} PARENT_SCOPE)
endfunction()

foreach(document IN LISTS documents)
  get_filename_component(name "${document}" NAME_WE)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/docs/${name}")
  reel_write_blocks("${document}" ${name} "${folder}" count)
  foreach(number RANGE 1 ${count})
    if(count EQUAL 0)
      break()
    endif()
    reel_program(docs_${name}_${number} "${folder}/${name}_${number}.c" docs/${name}
      reel_flags reel_shared Threads::Threads m)
    reel_test(docs/${name}_${number} docs_${name}_${number})
    set_tests_properties(docs/${name}_${number} PROPERTIES WORKING_DIRECTORY "${folder}")
    if(number GREATER 1)
      math(EXPR before "${number} - 1")
      set_tests_properties(docs/${name}_${number} PROPERTIES DEPENDS docs/${name}_${before})
    endif()
  endforeach()
endforeach()
