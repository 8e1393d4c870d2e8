// main() of every test program.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>

int main(int argc, char** argv) {
  // All tests share a kernel cache; the user's is not touched.
  setenv("TENON_CACHE_DIR", TENON_TEST_CACHE, 0);
  return doctest::Context(argc, argv).run();
}
