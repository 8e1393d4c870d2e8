// l2_cache.h: a model of a device's L2: what it must read from memory and write back to it.
#pragma once
#include <cstdint>
#include <vector>

namespace tenon::emulator {

/// Lines of 128 bytes in sectors of 32, 16 ways, the least recently used line goes first, sets by a hash of the line's
/// address. Cold at first. A write takes a sector without reading it. The order of accesses is the emulator's: an
/// estimate, where unique bytes are a bound.
class L2Cache {
 public:
  explicit L2Cache(int64_t bytes);
  void access(uint64_t address, bool write);  ///< of the sector that holds the address
  void flush();                               ///< writes back all that is dirty
  uint64_t bytes_read() const { return bytes_read_; }
  uint64_t bytes_written() const { return bytes_written_; }

 private:
  struct Line {
    uint64_t number = 0, used = 0;  // the line's address / 128; when it was used last, 0: never
    uint8_t valid = 0, dirty = 0;   // by sector
  };
  Line& line(uint64_t number);
  void write_back(Line& line);

  std::vector<Line> lines_;  // kWays of each set in turn
  uint64_t sets_, now_ = 0, bytes_read_ = 0, bytes_written_ = 0;
};

}  // namespace tenon::emulator
