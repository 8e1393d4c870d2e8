// What decides a kernel's key, and what does not.
#include "runtime/cache/key.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "codegen/embedded.h"
#include "tests/runtime/cache/stand_in.h"

using namespace tenon;
using namespace tenon::cache;
using namespace tenon::test;

namespace {

const cuda::NvrtcIdentity kCompiler{13, 0, "stand-in"};

std::optional<KeyParts> parts_of(const cuda::CompileRequest& request,
                                 std::vector<EmbeddedFile> headers = some_headers(),
                                 const cuda::NvrtcIdentity& compiler = kCompiler) {
  HeaderIndex index(headers);
  return key_parts(request, compiler, index);
}

std::string key(const std::optional<KeyParts>& parts) {
  REQUIRE(parts);
  return hex(key_of(*parts));
}

}  // namespace

TEST_CASE("digests are SHA-256 and read back from their digits") {
  CHECK(hex(digest_of("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(from_hex(hex(digest_of("abc"))) == digest_of("abc"));
  CHECK(!from_hex("ba78"));
  CHECK(!from_hex(std::string(64, 'x')));
}

TEST_CASE("each part of a request changes the key") {
  const cuda::CompileRequest request = request_of("k");
  std::set<std::string> keys = {key(parts_of(request))};
  const auto differs = [&](const std::optional<KeyParts>& parts) { return keys.insert(key(parts)).second; };
  CHECK(!differs(parts_of(request)));
  cuda::CompileRequest other = request;
  other.name = "l.cu";
  CHECK(differs(parts_of(other)));
  other = request, other.source += " ";
  CHECK(differs(parts_of(other)));
  other = request, other.arch = "sm_90a";
  CHECK(differs(parts_of(other)));
  other = request, other.cubin = false;
  CHECK(differs(parts_of(other)));
  other = request, other.defines = {"N=1"};
  CHECK(differs(parts_of(other)));
  CHECK(differs(parts_of(request, some_headers(), {13, 0, "stand-in with another size"})));
  CHECK(differs(parts_of(request, some_headers(), {12, 1, "stand-in"})));  // knows no --minimal
  setenv("NVRTC_APPEND_FLAGS", "-G", 1);
  CHECK(differs(parts_of(request)));
  unsetenv("NVRTC_APPEND_FLAGS");
}

TEST_CASE("a piece that moves from one part to the next changes the key") {
  KeyParts parts{"k", "c", {"ab", "c"}, {}, "s"}, moved{"k", "c", {"a", "bc"}, {}, "s"},
      joined{"k", "c", {"abc"}, {}, "s"};
  CHECK(key_of(parts) != key_of(moved));
  CHECK(key_of(parts) != key_of(joined));
}

TEST_CASE("headers count where the source reaches them") {
  const cuda::CompileRequest request = request_of("k");  // includes b, which includes a
  const auto parts = parts_of(request);
  REQUIRE(parts);
  REQUIRE(parts->headers.size() == 2);
  CHECK(parts->headers[0].path == "templates/a.cuh");
  CHECK(parts->headers[0].digest == digest_of("struct A {};\n"));
  std::vector<EmbeddedFile> headers = some_headers();
  headers[2].text = "struct C { int changed; };\n";
  CHECK(key(parts_of(request, headers)) == key(parts));
  headers[0].text = "struct A { int changed; };\n";
  CHECK(key(parts_of(request, headers)) != key(parts));
}

TEST_CASE("headers that include each other in a circle are read once") {
  const std::vector<EmbeddedFile> headers = {
      {"templates/b.cuh", "#pragma once\n#include \"templates/z.cuh\"\n"},
      {"templates/z.cuh", "#pragma once\n# include <templates/b.cuh>\n"}};
  const auto parts = parts_of(request_of("k"), headers);
  REQUIRE(parts);
  CHECK(parts->headers.size() == 2);
}

TEST_CASE("what the request does not tell is not cached") {
  cuda::CompileRequest request = request_of("k");
  for (const char* line : {"#include <vector>\n", "#include \"mine.cuh\"\n", "# include FILE\n", "#include\n",
                           "#if __has_include(\"x\")\n#endif\n", "#include \"templates/a.cuh"}) {
    CAPTURE(line);
    request.source = line;
    CHECK(!parts_of(request));
  }
  request = request_of("k");
  request.include_folders = {"."};
  CHECK(!parts_of(request));
}

TEST_CASE("all device headers can be cached") {
  for (const EmbeddedFile& header : embedded_templates()) {
    HeaderIndex index(embedded_templates());
    CAPTURE(header.path);
    CHECK(index.reached_from(header.text));
  }
}
