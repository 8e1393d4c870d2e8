// program.h: the program itself, started by tests.
#pragma once
#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "tests/runtime/files.h"

namespace tenon::test {

inline std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// `text` as one word of the shell.
inline std::string quoted(const std::string& text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

struct Outcome {
  int status = 0;
  std::string out, err;
};

/// `tenon ARGUMENTS`, which the shell splits. `megabytes` of address space and 20 seconds of processor time at most, 0: no
/// bound; sanitizers take more than any bound, so that theirs is none.
inline Outcome run_program(const TemporaryFolder& folder, const std::string& arguments, int megabytes = 0) {
  const TemporaryFolder outputs;
  const std::string out = outputs.file("stdout"), err = outputs.file("stderr");
  std::string bound;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#define TENON_HAS_FEATURE(feature) __has_feature(feature)
#else
#define TENON_HAS_FEATURE(feature) 0
#endif
  if (megabytes && !TENON_HAS_FEATURE(address_sanitizer) && !TENON_HAS_FEATURE(thread_sanitizer))
    bound = "ulimit -t 20; ulimit -v " + std::to_string(megabytes * 1024) + "; ";
#undef TENON_HAS_FEATURE
#endif
  const int code = std::system(("cd " + quoted(folder.path.string()) + " && " + bound + TENON_PROGRAM + " " +
                                arguments + " >" + out + " 2>" + err)
                                   .c_str());
  return {WEXITSTATUS(code), text_of_file(out), text_of_file(err)};
}

}  // namespace tenon::test
