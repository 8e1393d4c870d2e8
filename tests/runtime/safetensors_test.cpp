#include "runtime/safetensors.h"

#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "tests/runtime/files.h"

namespace tenon {
namespace {

using test::bytes_of;
using test::safetensors_bytes;
using test::TemporaryFolder;

TEST_CASE("what is written is read back, mapped and aligned, whatever the name's length") {
  TemporaryFolder folder;
  std::vector<std::pair<std::string, Tensor>> tensors{
      {"a", Tensor::of({DType::kF32, {2, 2}}, {1, -2, 3.5, 4})},
      {"layer.0.\"k\"", Tensor::of({DType::kBF16, {3}}, {0.5, 1, 2})},
      {"empty", Tensor::zeros({DType::kI64, {0, 7}})},
      {"scalar", Tensor::of({DType::kI32, {}}, {-9})},
      {"flags", Tensor::of({DType::kBool, {3}}, {1, 0, 1})}};
  write_safetensors(folder.file("t.safetensors"), tensors);
  FileTensors read = read_safetensors(folder.file("t.safetensors"));
  REQUIRE(read.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    Tensor back = to_declared(read.at(name), tensor.type(), nullptr);
    for (int64_t i = 0; i < tensor.elements(); ++i) CHECK(back.at(i) == tensor.at(i));
  }
  CHECK(read.at("a").text() == "f32[2, 2]");
  CHECK(to_declared(read.at("a"), {DType::kF32, {2, 2}}, nullptr).data() == read.at("a").data);
  int files = 0;
  for (auto& entry : std::filesystem::directory_iterator(folder.path)) files += entry.exists();
  CHECK(files == 1);  // no temporary file left
}

TEST_CASE("a file that cannot be written leaves nothing") {
  TemporaryFolder folder;
  CHECK_THROWS_AS(write_safetensors(folder.file("no/such/t.safetensors"), {}), Error);
  std::filesystem::create_directory(folder.path / "taken");
  CHECK_THROWS_AS(write_safetensors(folder.file("taken"), {}), Error);
  int files = 0;
  for (auto& entry : std::filesystem::directory_iterator(folder.path)) files += entry.exists();
  CHECK(files == 1);
}

std::string entry(const std::string& name, const std::string& shape, int64_t begin, int64_t end,
                  const std::string& dtype = "F32") {
  return '"' + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

TEST_CASE("headers that lie are refused with the reason") {
  TemporaryFolder folder;
  std::string data(8, '\0');
  struct Case {
    std::string bytes, reason;
  };
  for (const Case& bad : std::vector<Case>{
           {"", "no safetensors file: 0 bytes"},
           {"1234567", "no safetensors file: 7 bytes"},
           {bytes_of<uint64_t>({100}) + "{}", "should have 100 bytes, 2 are there"},
           {bytes_of<uint64_t>({~uint64_t{0}}) + "{}", "18446744073709551615"},
           {safetensors_bytes("[1]", ""), "no JSON object"},
           {safetensors_bytes("{\"a\":", ""), "no JSON"},
           {safetensors_bytes("{\"a\":1}", ""), "needs dtype, shape and data_offsets"},
           {safetensors_bytes("{" + entry("a", "[2]", 0, 12) + "}", data), "ends at byte 12"},
           {safetensors_bytes("{" + entry("a", "[2]", 8, 0) + "}", data), "no range"},
           {safetensors_bytes("{" + entry("a", "[2]", -8, 0) + "}", data), "no range"},
           {safetensors_bytes("{" + entry("a", "[3]", 0, 8) + "}", data),
            "takes 12 bytes, its data_offsets give 8"},
           {safetensors_bytes("{" + entry("a", "[-2]", 0, 8) + "}", data), "negative or too large"},
           {safetensors_bytes("{" + entry("a", "[4611686018427387904,4]", 0, 8) + "}", data),
            "negative or too large"},
           {safetensors_bytes("{" + entry("a", "[1.5]", 0, 8) + "}", data), "an extent is no integer"},
           {safetensors_bytes("{" + entry("a", "[2]", 0, 8, "F31") + "}", data), "unknown dtype \"F31\""},
           {safetensors_bytes("{" + entry("a", "[2]", 0, 8) + "," + entry("b", "[1]", 4, 8) + "}", data),
            "overlaps"},
           {safetensors_bytes("{" + entry("a", "[1]", 4, 8) + "}", data), "a hole of 4 bytes"},
           {safetensors_bytes("{" + entry("a", "[1]", 0, 4) + "}", data), "4 bytes after the last tensor"},
           {safetensors_bytes("{" + entry("a", "[2]", 0, 8) + "," + entry("a", "[2]", 0, 8) + "}", data),
            "the name \"a\" stands twice"},
           {safetensors_bytes(std::string(100000, '['), ""), "nested too deeply"},
       }) {
    CAPTURE(bad.reason);
    CHECK_THROWS_WITH_AS(read_safetensors(folder.write("bad.safetensors", bad.bytes)),
                         doctest::Contains(bad.reason.c_str()), Error);
  }
  CHECK_THROWS_WITH_AS(read_safetensors(folder.file("none")), doctest::Contains("No such file"), Error);
}

TEST_CASE("metadata, empty tensors between others and padding of the header are fine") {
  TemporaryFolder folder;
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}," + entry("b", "[1]", 4, 8) + "," +
                       entry("none", "[0,3]", 4, 4) + "," + entry("a", "[1]", 0, 4) + "}   ";
  FileTensors tensors =
      read_safetensors(folder.write("t.safetensors", safetensors_bytes(header, bytes_of({1.f, 2.f}))));
  CHECK(tensors.size() == 3);
  CHECK(to_declared(tensors.at("b"), {DType::kF32, {1}}, nullptr).at(0) == 2);
}

TEST_CASE("shards by an index, by a folder with an index, by a folder alone") {
  TemporaryFolder folder;
  std::string one = safetensors_bytes("{" + entry("a", "[1]", 0, 4) + "}", bytes_of({1.f}));
  std::string two = safetensors_bytes("{" + entry("b", "[1]", 0, 4) + "}", bytes_of({2.f}));
  folder.write("m-1.safetensors", one);
  folder.write("m-2.safetensors", two);
  CHECK(read_safetensors(folder.path.string()).size() == 2);
  std::string index = folder.write("m.safetensors.index.json",
                                   "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"}}");
  for (const std::string& path : {index, folder.path.string()})
    CHECK(to_declared(read_safetensors(path).at("b"), {DType::kF32, {1}}, nullptr).at(0) == 2);
  folder.write("m.safetensors.index.json", "{\"weight_map\":{\"a\":\"m-2.safetensors\"}}");
  CHECK_THROWS_WITH_AS(read_safetensors(index), doctest::Contains("'a' is not in m-2.safetensors"), Error);
  folder.write("m.safetensors.index.json", "{\"weight_map\":{\"a\":\"../m-1.safetensors\"}}");
  CHECK_THROWS_WITH_AS(read_safetensors(index), doctest::Contains("no file name"), Error);
  folder.write("m.safetensors.index.json", "{}");
  CHECK_THROWS_WITH_AS(read_safetensors(index), doctest::Contains("weight_map"), Error);
  std::filesystem::remove(index);
  folder.write("m-3.safetensors", two);
  CHECK_THROWS_WITH_AS(read_safetensors(folder.path.string()), doctest::Contains("in another shard"), Error);
  TemporaryFolder empty;
  CHECK_THROWS_WITH_AS(read_safetensors(empty.path.string()), doctest::Contains("no *.safetensors"), Error);
}

}  // namespace
}  // namespace tenon
