// type.cpp: names, sizes and kinds of the fundamental types, in one table.
#include "runtime/emulator/ptx/type.h"

#include <iterator>

namespace tenon::ptx {
namespace {

struct TypeInfo {
  const char* name;
  int bits;
  bool is_signed, is_float, is_packed;
};

// In the order of Type.
constexpr TypeInfo kTypes[] = {
    {"pred", 1, false, false, false},  {"b8", 8, false, false, false},   {"u8", 8, false, false, false},
    {"s8", 8, true, false, false},     {"b16", 16, false, false, false}, {"u16", 16, false, false, false},
    {"s16", 16, true, false, false},   {"f16", 16, false, true, false},  {"bf16", 16, false, true, false},
    {"b32", 32, false, false, false},  {"u32", 32, false, false, false}, {"s32", 32, true, false, false},
    {"f32", 32, false, true, false},   {"tf32", 32, false, true, false}, {"f16x2", 32, false, true, true},
    {"bf16x2", 32, false, true, true}, {"b64", 64, false, false, false}, {"u64", 64, false, false, false},
    {"s64", 64, true, false, false},   {"f64", 64, false, true, false},  {"b128", 128, false, false, false},
    {"e4m3", 8, false, true, false},   {"e5m2", 8, false, true, false},  {"e4m3x2", 16, false, true, true},
    {"e5m2x2", 16, false, true, true},
};
constexpr int kTypeCount = static_cast<int>(std::size(kTypes));
static_assert(kTypeCount == static_cast<int>(Type::kE5m2x2) + 1);

const TypeInfo& info(Type type) { return kTypes[static_cast<int>(type)]; }

}  // namespace

std::optional<Type> type_named(llvm::StringRef name) {
  for (int i = 0; i < kTypeCount; ++i)
    if (name == kTypes[i].name) return static_cast<Type>(i);
  return std::nullopt;
}

llvm::StringRef name(Type type) { return info(type).name; }
int bits(Type type) { return info(type).bits; }
bool is_signed(Type type) { return info(type).is_signed; }
bool is_float(Type type) { return info(type).is_float; }
bool is_packed(Type type) { return info(type).is_packed; }

}  // namespace tenon::ptx
