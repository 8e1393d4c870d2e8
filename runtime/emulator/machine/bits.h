// bits.h: ranges of bits in words that many host threads may mark at once: validity of bytes, touched sectors.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace tenon::emulator {

/// Calls visit(word, mask) for each 64-bit word that holds some of the bits [first, first + count); stops where it returns
/// false and returns that.
template <class Visit>
bool visit_bits(int64_t first, int64_t count, Visit visit) {
  const int64_t end = first + count;
  if (count > 0 && (end - 1) >> 6 == first >> 6)  // most ranges: a lane's bytes, a sector
    return visit(first >> 6, (~0ull >> (64 - count)) << (first & 63));
  for (int64_t word = first >> 6; word << 6 < end; ++word) {
    uint64_t mask = ~0ull;
    if (first > word << 6) mask &= ~0ull << (first & 63);
    if (end - (word << 6) < 64) mask &= (1ull << (end & 63)) - 1;
    if (!visit(word, mask)) return false;
  }
  return true;
}

inline bool all_bits(const uint64_t* words, int64_t first, int64_t count) {
  return visit_bits(first, count, [words](int64_t i, uint64_t mask) {
    return (__atomic_load_n(words + i, __ATOMIC_RELAXED) & mask) == mask;
  });
}

inline bool any_bits(const uint64_t* words, int64_t first, int64_t count) {
  return !visit_bits(first, count, [words](int64_t i, uint64_t mask) {
    return (__atomic_load_n(words + i, __ATOMIC_RELAXED) & mask) == 0;
  });
}

inline void set_bits(uint64_t* words, int64_t first, int64_t count) {
  visit_bits(first, count, [words](int64_t i, uint64_t mask) {
    // Most bits are set already: looking first spares the bus lock.
    if ((__atomic_load_n(words + i, __ATOMIC_RELAXED) & mask) != mask)
      __atomic_fetch_or(words + i, mask, __ATOMIC_RELAXED);
    return true;
  });
}

inline void clear_bits(uint64_t* words, int64_t first, int64_t count) {
  visit_bits(first, count, [words](int64_t i, uint64_t mask) {
    __atomic_fetch_and(words + i, ~mask, __ATOMIC_RELAXED);
    return true;
  });
}

/// Bits of one size for life, all clear at first. Memory that no bit was set in costs nothing.
class Bitmap {
 public:
  Bitmap() = default;
  explicit Bitmap(int64_t bits) : count_((bits + 63) / 64) {
    words_.reset(static_cast<uint64_t*>(std::calloc(count_ > 0 ? count_ : 1, sizeof(uint64_t))));
    if (!words_) throw std::bad_alloc();
  }
  uint64_t* words() { return words_.get(); }
  const uint64_t* words() const { return words_.get(); }
  int64_t word_count() const { return count_; }
  bool all(int64_t first, int64_t count) const { return all_bits(words(), first, count); }
  bool any(int64_t first, int64_t count) const { return any_bits(words(), first, count); }
  void set(int64_t first, int64_t count) { set_bits(words(), first, count); }
  void clear(int64_t first, int64_t count) { clear_bits(words(), first, count); }

 private:
  struct Free {
    void operator()(uint64_t* words) const { std::free(words); }
  };
  std::unique_ptr<uint64_t[], Free> words_;
  int64_t count_ = 0;
};

}  // namespace tenon::emulator
