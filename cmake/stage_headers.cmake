# Copies the public headers to INCLUDE as they are installed: reel.h, and the rest below reel/.
#   cmake -DROOT=source -DHEADERS=reel.h;graph/graph.h -DINCLUDE=folder -P stage_headers.cmake
# Inside the tree a header says "graph/graph.h"; with the folders below reel/ the same line says
# "reel/graph/graph.h" in reel.h and "../graph/graph.h" in a folder's header.

foreach(header IN LISTS HEADERS)
  file(READ "${ROOT}/${header}" text)
  if(header STREQUAL "reel.h")
    set(target "${INCLUDE}/reel.h")
    set(prefix "reel/")
  else()
    set(target "${INCLUDE}/reel/${header}")
    set(prefix "../")
  endif()
  string(REGEX REPLACE "#include \"(graph|ops|layers|optim|train|io)/" "#include \"${prefix}\\1/"
    text "${text}")
  file(WRITE "${target}" "${text}")
endforeach()
