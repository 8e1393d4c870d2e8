// ptxas.h: the assembler's judgement of a test's PTX: what the emulator runs must be what a GPU would be given.
#pragma once
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace tenon::emulator {

/// ptxas's complaints about a text, "" where it takes it; skipped aloud where no ptxas is installed.
inline std::string ptxas_says(const std::string& text, const std::string& arch = "sm_90a") {
  const std::string ptxas = "/usr/local/cuda/bin/ptxas";
  if (access(ptxas.c_str(), X_OK) != 0) {
    MESSAGE("skipped: no " << ptxas);
    return "";
  }
  char name[] = "/tmp/tenon_ptx_XXXXXX";
  const int file = mkstemp(name);
  REQUIRE(file >= 0);
  close(file);
  std::ofstream(name) << text;
  const std::string command = ptxas + " -arch=" + arch + " -o /dev/null " + name + " >" + name + ".log 2>&1";
  std::string said;
  if (std::system(command.c_str()) != 0) {
    std::ifstream log(std::string(name) + ".log");
    said.assign(std::istreambuf_iterator<char>(log), {});
    if (said.empty()) said = "ptxas failed";
  }
  std::remove(name);
  std::remove((std::string(name) + ".log").c_str());
  return said;
}

}  // namespace tenon::emulator
