// JSON: what is read, what is refused and where, and the text that is written.
#include "ir/json.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "ir/diagnostics.h"

using namespace tenon;

namespace {

std::string written(int indent, llvm::function_ref<void(json::Writer&)> write) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  json::Writer writer(stream, indent);
  write(writer);
  return stream.str();
}

}  // namespace

TEST_CASE("every kind of value is read") {
  json::Value value = json::parse(
      " {\"a\": [1, -2, 0.5, 1e3, 9223372036854775807, 9223372036854775808], \"b\": null, \"c\": true,\n"
      "  \"d\": \"\\u00e9\\ud83d\\ude00\\n\\\"/\", \"\": {}, \"e\": [false]}\t");
  const json::Array& numbers = *value["a"].array();
  CHECK(numbers[0].integer() == 1);
  CHECK(numbers[1].integer() == -2);
  CHECK(numbers[1].number() == -2.0);
  CHECK(numbers[2].number() == 0.5);
  CHECK(numbers[3].number() == 1000.0);
  CHECK_FALSE(numbers[3].integer());
  CHECK(numbers[4].integer() == std::numeric_limits<int64_t>::max());
  CHECK(numbers[5].number() == 9223372036854775808.0);
  CHECK(std::holds_alternative<std::nullptr_t>(value["b"].held));
  CHECK(std::get<bool>(value["c"].held));
  CHECK(*value["d"].string() == "\xC3\xA9\xF0\x9F\x98\x80\n\"/");
  CHECK(value[""].object()->empty());
  CHECK(value.object()->back().key == "e");
  CHECK(std::holds_alternative<std::nullptr_t>(value["absent"].held));
  CHECK(std::holds_alternative<std::nullptr_t>(numbers[0]["a"].held));
}

TEST_CASE("what is no JSON is refused with its place") {
  struct Case {
    const char *text, *message;
  };
  const Case cases[] = {
      {"", "the text ends too early at byte 0"},
      {"[1, 2", "',' or ']' expected at byte 5"},
      {"{\"a\" 1}", "':' expected at byte 5"},
      {"{\"a\": 1,}", "a key expected at byte 8"},
      {"[1,]", "a value expected at byte 3"},
      {"{\"a\": 1, \"a\": 2}", "the name \"a\" stands twice at byte 12"},
      {"{\"a\": 1, \"\\u0061\": 2}", "stands twice"},
      {"1 2", "more than one value at byte 2"},
      {"01", "more than one value at byte 1"},
      {"-", "the text ends too early"},
      {"1.", "the text ends too early"},
      {"1e999", "a number out of range"},
      {"tru", "a value expected at byte 0"},
      {"NaN", "a value expected"},
      {"\"a", "the text ends within a string"},
      {"\"\\", "an unknown escape"},
      {"\"\\x\"", "an unknown escape"},
      {"\"\\u12\"", "four hexadecimal digits"},
      {"\"\\ud800\"", "half of a surrogate pair"},
      {"\"\\ud800\\u0041\"", "half of a surrogate pair"},
      {"\"\n\"", "a control character"},
      {"\"\xFF\"", "no UTF-8"},
  };
  for (const Case& bad : cases) {
    CAPTURE(bad.text);
    CHECK_THROWS_WITH_AS(json::parse(bad.text), doctest::Contains(bad.message), Error);
  }
}

TEST_CASE("depth is bounded") {
  CHECK_NOTHROW(json::parse(std::string(64, '[') + std::string(64, ']')));
  CHECK_THROWS_WITH_AS(json::parse(std::string(65, '[') + std::string(65, ']')),
                       doctest::Contains("nested too deeply"), Error);
  CHECK_THROWS_AS(json::parse(std::string(1000000, '[')), Error);
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  CHECK_THROWS_AS(json::parse(objects), Error);
}

TEST_CASE("a document is written, compact and indented") {
  auto write = [](json::Writer& out) {
    out.object([&] {
      out.attribute("name", "x\"\\\n\x01\xFFy");
      out.attribute("count", int64_t{-3});
      out.attribute("time", 0.1);
      out.attribute("never", std::numeric_limits<double>::infinity());
      out.attribute("absent", std::optional<int>());
      out.attribute("present", std::optional<bool>(false));
      out.attribute("grid", std::vector<int>{132, 1, 1});
      out.attribute_object("empty", [] {});
      out.attribute_array("kernels", [&] {
        out.object([&] { out.attribute("a", nullptr); });
        out.value("b");
      });
    });
  };
  CHECK(written(0, write) ==
        R"({"name":"x\"\\\n\u0001)"
        "\xEF\xBF\xBD"
        R"(y","count":-3,"time":0.1,"never":null,"absent":null,"present":false,"grid":[132,1,1],"empty":{},)"
        R"("kernels":[{"a":null},"b"]})");
  CHECK(written(2, [](json::Writer& out) {
          out.object([&] {
            out.attribute("grid", std::vector<int>{132, 1});
            out.attribute_array("kernels", [&] { out.object([&] { out.attribute("a", 1); }); });
          });
        }) == "{\n  \"grid\": [132, 1],\n  \"kernels\": [\n    {\n      \"a\": 1\n    }\n  ]\n}");
}

TEST_CASE("what is written is read back") {
  std::string text = written(2, [](json::Writer& out) {
    out.array([&] {
      out.value(1.0 / 3);
      out.value("\t\x7F caf\xC3\xA9");
      out.value(-0.0);
    });
  });
  json::Value value = json::parse(text);
  CHECK((*value.array())[0].number() == 1.0 / 3);
  CHECK(*(*value.array())[1].string() == "\t\x7F caf\xC3\xA9");
  CHECK(std::signbit(*(*value.array())[2].number()));
}
