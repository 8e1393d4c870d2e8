// l2_cache.cpp: see the header.
#include "runtime/emulator/machine/l2_cache.h"

#include <algorithm>

namespace tenon::emulator {
namespace {
constexpr int kWays = 16, kLineBytes = 128, kL2SectorBytes = 32;
}

L2Cache::L2Cache(int64_t bytes)
    : sets_(static_cast<uint64_t>(std::max<int64_t>(bytes / (kLineBytes * kWays), 1))) {
  lines_.resize(sets_ * kWays);
}

L2Cache::Line& L2Cache::line(uint64_t number) {
  // Neighbouring lines go to neighbouring sets, large powers of two do not meet in one.
  Line* set = &lines_[(number ^ number >> 13 ^ number >> 27) % sets_ * kWays];
  Line* oldest = set;
  for (Line* way = set; way != set + kWays; ++way) {
    if (way->used != 0 && way->number == number) return *way;
    if (way->used < oldest->used) oldest = way;
  }
  write_back(*oldest);
  *oldest = Line{number};
  return *oldest;
}

void L2Cache::write_back(Line& line) {
  bytes_written_ += static_cast<uint64_t>(__builtin_popcount(line.dirty)) * kL2SectorBytes;
  line.dirty = 0;
}

void L2Cache::access(uint64_t address, bool write) {
  Line& held = line(address / kLineBytes);
  const auto sector = static_cast<uint8_t>(1u << (address % kLineBytes / kL2SectorBytes));
  if (!write && !(held.valid & sector)) bytes_read_ += kL2SectorBytes;
  held.valid |= sector;
  if (write) held.dirty |= sector;
  held.used = ++now_;
}

void L2Cache::flush() {
  for (Line& line : lines_) write_back(line);
}

}  // namespace tenon::emulator
