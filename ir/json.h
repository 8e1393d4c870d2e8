// json.h: JSON as values to read and as text to write. LLVM's own reader recurses without limit and keeps one
// of two equal keys, and its header does not compile as C++20 under clang 14.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

namespace tenon::json {

struct Value;
struct Member;
using Array = std::vector<Value>;
using Object = std::vector<Member>;  // in the order of the text; no key stands twice

/// A value of a document. A number without fraction and exponent that fits is an integer, any other a double.
struct Value {
  std::variant<std::nullptr_t, bool, int64_t, double, std::string, Array, Object> held;

  const std::string* string() const { return std::get_if<std::string>(&held); }
  const Array* array() const { return std::get_if<Array>(&held); }
  const Object* object() const { return std::get_if<Object>(&held); }
  std::optional<int64_t> integer() const;
  std::optional<double> number() const;                // an integer too
  const Value& operator[](llvm::StringRef key) const;  // a null where this is no object or lacks the key
};

struct Member {
  std::string key;
  Value value;
};

/// The one value of `text` (RFC 8259, UTF-8). Throws Error "no JSON: ... at byte N" for anything else, also
/// for a key that stands twice in an object and for more than 64 levels.
Value parse(llvm::StringRef text);

/// Writes a document piece by piece. NaN and infinities become null, bytes that are no UTF-8 become U+FFFD.
///   Writer out(stream, 2);
///   out.object([&] { out.attribute("tenon", 1); out.attribute_array("gpus", [&] { out.value("h200"); }); });
class Writer {
 public:
  using Block = llvm::function_ref<void()>;
  /// `indent` blanks a level, each entry on its own line; 0: no blanks at all.
  explicit Writer(llvm::raw_ostream& out, int indent = 0) : out_(out), indent_(indent) {}

  void object(Block members) { nest('{', members, '}'); }
  void array(Block values) { nest('[', values, ']'); }
  void attribute_object(llvm::StringRef name, Block members) { key(name), object(members); }
  void attribute_array(llvm::StringRef name, Block values) { key(name), array(values); }
  template <class T>
  void attribute(llvm::StringRef name, const T& held) {
    key(name), value(held);
  }

  /// null, a boolean, a number, a text, an optional of these, or a range of these (written on one line).
  template <class T>
  void value(const T& held) {
    begin_value();
    scalar(held);
  }

 private:
  void nest(char open, Block entries, char close);
  void key(llvm::StringRef name);
  void begin_value();
  void new_line();
  void text(llvm::StringRef held);
  void number(double held);

  template <class T>
  void scalar(const T& held) {
    if constexpr (std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, std::nullopt_t>) {
      out_ << "null";
    } else if constexpr (std::is_same_v<T, bool>) {
      out_ << (held ? "true" : "false");
    } else if constexpr (std::is_integral_v<T>) {
      out_ << held;
    } else if constexpr (std::is_floating_point_v<T>) {
      number(held);
    } else if constexpr (std::is_convertible_v<const T&, llvm::StringRef>) {
      text(held);
    } else if constexpr (requires { held.has_value(); }) {
      held.has_value() ? scalar(*held) : scalar(nullptr);
    } else {
      const char* separator = "";
      out_ << '[';
      for (const auto& element : held) {
        out_ << separator;
        scalar(element);
        separator = indent_ ? ", " : ",";
      }
      out_ << ']';
    }
  }

  llvm::raw_ostream& out_;
  int indent_;
  int depth_ = 0;
  bool first_ = true;       // no entry yet on this level
  bool after_key_ = false;  // the next value completes an attribute
};

}  // namespace tenon::json
