// A JSON document: what is read and written is read again, as the same.
#include "ir/json.h"

#include "tests/fuzz/targets.h"
#include "tests/fuzz/targets/verdict.h"

namespace tenon::fuzz {
namespace {

using json::Value;

template <class Write>
void scalar(const Value& value, Write write) {
  std::visit(
      [&](const auto& held) {
        using T = std::decay_t<decltype(held)>;
        if constexpr (!std::is_same_v<T, json::Array> && !std::is_same_v<T, json::Object>) write(held);
      },
      value.held);
}

void elements(json::Writer& out, const json::Array& array);

void members(json::Writer& out, const json::Object& object) {
  for (const auto& [key, value] : object) {
    if (const json::Object* inner = value.object())
      out.attribute_object(key, [&, inner = inner] { members(out, *inner); });
    else if (const json::Array* inner = value.array())
      out.attribute_array(key, [&, inner = inner] { elements(out, *inner); });
    else
      scalar(value, [&, &key = key](const auto& held) { out.attribute(key, held); });
  }
}

void elements(json::Writer& out, const json::Array& array) {
  for (const Value& value : array) {
    if (const json::Object* inner = value.object())
      out.object([&] { members(out, *inner); });
    else if (const json::Array* inner = value.array())
      out.array([&] { elements(out, *inner); });
    else
      scalar(value, [&](const auto& held) { out.value(held); });
  }
}

std::string written(const Value& value, int indent) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  json::Writer out(stream, indent);
  elements(out, {value});
  return text;
}

}  // namespace

std::string json(llvm::StringRef bytes, bool* accepted) {
  return verdict(/*located=*/false, accepted, [&] {
    const std::string text = written(json::parse(bytes), 0);
    if (written(json::parse(text), 0) != text) return "read, written and read again it differs";
    return written(json::parse(written(json::parse(text), 2)), 0) == text ? "" : "indented it differs";
  });
}

}  // namespace tenon::fuzz
