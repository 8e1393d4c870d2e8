// expectation.cpp: outputs compared with files, element by element.
#include "runtime/cli/expectation.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "ir/diagnostics.h"
#include "llvm/ADT/STLExtras.h"
#include "runtime/npy.h"
#include "runtime/safetensors.h"

namespace tenon::cli {

const char* const kExpectHelp =
    "compare an output (arg0, arg1, .. or a --buffer) with a file, or all with what --outputs wrote; values "
    "may differ by "
    "TOLERANCE (0 if not given), those above 1 by that part of them. What differs makes the exit status 1";

namespace {

constexpr size_t kShown = 4;  // differing elements of an output that are told

[[noreturn]] void refuse(const std::string& text, const std::string& why, const std::string& hint = "") {
  throw Error("--expect " + text + ": " + why, {}, hint);
}

/// "[3, 17]" of element `i`.
std::string place(const Extents& shape, int64_t i) {
  std::string text;
  for (size_t axis = shape.size(); axis-- > 0; i /= shape[axis])
    text = std::to_string(i % shape[axis]) + (text.empty() ? "" : ", ") + text;
  return "[" + text + "]";
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

/// NaN where one of them alone is.
double distance(double actual, double expected) {
  if (actual == expected || (std::isnan(actual) && std::isnan(expected))) return 0;
  return std::abs(actual - expected) / std::max(1.0, std::abs(expected));
}

std::string difference(const FileTensor& actual, const FileTensor& expected, double tolerance) {
  const std::vector<double> got = values_of(actual), want = values_of(expected);
  std::vector<std::string> first;
  int64_t count = 0;
  double largest = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double off = distance(got[i], want[i]);
    if (off <= tolerance) continue;
    ++count;
    largest = std::max(largest, std::isnan(off) ? HUGE_VAL : off);
    if (first.size() < kShown)
      first.push_back("  " + place(actual.shape, static_cast<int64_t>(i)) + " is " + number(got[i]) +
                      ", expected " + number(want[i]) + "\n");
  }
  if (count == 0) return "";
  std::string text = actual.name + ": " + std::to_string(count) + " of " + std::to_string(got.size()) +
                     " elements are not as " + expected.path + " has them; the largest difference is " +
                     number(largest) + "\n";
  for (const std::string& line : first) text += line;
  if (count > static_cast<int64_t>(kShown)) text += "  ..\n";
  return text;
}

std::string compare(const std::string& text, llvm::ArrayRef<FileTensor> outputs, llvm::StringRef name,
                    const FileTensor& expected, double tolerance) {
  const auto* actual = llvm::find_if(outputs, [&](const FileTensor& output) { return name == output.name; });
  if (actual == outputs.end()) {
    std::string known;
    for (const FileTensor& output : outputs) known += (known.empty() ? "" : ", ") + output.name;
    refuse(text, "no output '" + name.str() + "'",
           known.empty() ? "no --arg is out or inout" : "there is " + known);
  }
  if (actual->shape != expected.shape)
    refuse(text,
           "the output " + actual->name + " is " + actual->text() + ", the file has " + expected.text());
  return difference(*actual, expected, tolerance);
}

}  // namespace

std::string unexpected(const std::string& text, llvm::ArrayRef<FileTensor> outputs) {
  llvm::StringRef rest = text;
  double tolerance = 0;
  if (auto [before, after] = rest.rsplit(':'); !after.empty() && !after.getAsDouble(tolerance)) {
    rest = before;
    if (!(tolerance >= 0)) refuse(text, "a tolerance is 0 or more");
  }
  if (rest.endswith(".safetensors")) {
    std::string all;
    const FileTensors file = read_safetensors(rest);
    for (const auto& [name, tensor] : file) all += compare(text, outputs, name, tensor, tolerance);
    return all;
  }
  auto [name, path] = rest.split('=');
  if (name.empty() || !path.endswith(".npy"))
    refuse(text, "it takes NAME=F.npy[:TOLERANCE] or F.safetensors[:TOLERANCE]", "--expect arg2=y.npy:1e-3");
  return compare(text, outputs, name, read_npy(path), tolerance);
}

}  // namespace tenon::cli
