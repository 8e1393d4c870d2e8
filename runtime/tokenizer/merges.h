// merges.h: byte pair encoding: the characters of a piece become tokens, and neighbours are joined, the pair of the lowest
// rank first (R. Sennrich et al., 2016).
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"

namespace tenon::tokenizer {

using Vocabulary = llvm::StringMap<int32_t>;  ///< a token's text to its id

/// Two tokens that become one. The place in the file's list is the rank.
struct Merge {
  int32_t left = 0, right = 0, joined = 0;
};

class Merges {
 public:
  struct Settings {
    bool whole_first =
        false;  ///< a piece that is a token is that token, whatever the merges say (ignore_merges)
    std::optional<int32_t> unknown;  ///< stands for a character that is no token
    bool fuse_unknown = false;       ///< one for a run of them
    bool byte_fallback = false;      ///< first its bytes as tokens <0x00> .. <0xFF>, where all are there
  };
  /// Of two merges of the same pair the later counts. `vocabulary` must outlive this object.
  Merges(const Vocabulary& vocabulary, llvm::ArrayRef<Merge> merges, const Settings& settings);

  /// Appends the ids of a piece, which is UTF-8, in O(n log n) of its length. Throws Error for a character that is no token where
  /// nothing stands for it.
  void encode(llvm::StringRef piece, std::vector<int64_t>& ids) const;

 private:
  struct Row {
    uint64_t pair;
    uint32_t rank;
    int32_t joined;
  };
  const Row* find(int32_t left, int32_t right) const;
  std::vector<int32_t> characters(llvm::StringRef piece) const;
  bool add_bytes(llvm::StringRef character, std::vector<int32_t>& ids) const;
  void join(std::vector<int32_t>& ids) const;

  const Vocabulary& vocabulary_;
  std::vector<Row> rows_;  // ascending by pair
  Settings settings_;
  std::array<int32_t, 256> bytes_;  // -1: no token
};

}  // namespace tenon::tokenizer
