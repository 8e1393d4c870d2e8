// A text file of the source tree that travels inside the program (codegen/embed.cmake).
#pragma once

#include <string_view>

namespace tenon {

struct EmbeddedFile {
  std::string_view path;  // relative to the source folder: "templates/config.cuh"
  std::string_view text;  // the bytes of the file, followed by a NUL that is not counted
};

}  // namespace tenon
