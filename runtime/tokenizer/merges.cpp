// merges.cpp: a heap of pairs over a linked list of tokens; rows of merges are found by binary search, so that no choice of
// ids makes a hash table slow.
#include "runtime/tokenizer/merges.h"

#include <algorithm>
#include <queue>

#include "ir/diagnostics.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include "runtime/tokenizer/unicode.h"

namespace tenon::tokenizer {
namespace {

constexpr int32_t kGone = -1;

uint64_t pair_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

std::string byte_token(unsigned byte) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("<0x%02X>", byte);
  return text;
}

}  // namespace

Merges::Merges(const Vocabulary& vocabulary, llvm::ArrayRef<Merge> merges, const Settings& settings)
    : vocabulary_(vocabulary), settings_(settings) {
  rows_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank)
    rows_.push_back(
        {pair_of(merges[rank].left, merges[rank].right), static_cast<uint32_t>(rank), merges[rank].joined});
  std::sort(rows_.begin(), rows_.end(),
            [](const Row& a, const Row& b) { return a.pair != b.pair ? a.pair < b.pair : a.rank > b.rank; });
  rows_.erase(
      std::unique(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) { return a.pair == b.pair; }),
      rows_.end());
  for (unsigned byte = 0; byte < bytes_.size(); ++byte) {
    const auto found = vocabulary.find(byte_token(byte));
    bytes_[byte] = found == vocabulary.end() ? kGone : found->second;
  }
}

const Merges::Row* Merges::find(int32_t left, int32_t right) const {
  const uint64_t pair = pair_of(left, right);
  const auto row =
      std::lower_bound(rows_.begin(), rows_.end(), pair, [](const Row& r, uint64_t p) { return r.pair < p; });
  return row != rows_.end() && row->pair == pair ? &*row : nullptr;
}

bool Merges::add_bytes(llvm::StringRef character, std::vector<int32_t>& ids) const {
  const auto id = [&](char byte) { return bytes_[static_cast<unsigned char>(byte)]; };
  if (llvm::any_of(character, [&](char byte) { return id(byte) == kGone; })) return false;
  for (const char byte : character) ids.push_back(id(byte));
  return true;
}

/// The tokens of a piece before anything is joined.
std::vector<int32_t> Merges::characters(llvm::StringRef piece) const {
  std::vector<int32_t> ids;
  bool after_unknown = false;
  for (size_t at = 0; at < piece.size();) {
    const llvm::StringRef character = piece.substr(at, character_at(piece, at).bytes);
    const auto found = vocabulary_.find(character);
    const bool known = found != vocabulary_.end();
    if (known) {
      ids.push_back(found->second);
    } else if (settings_.byte_fallback && add_bytes(character, ids)) {
      after_unknown = false;
    } else if (settings_.unknown) {
      if (!after_unknown || !settings_.fuse_unknown) ids.push_back(*settings_.unknown);
    } else {
      throw Error("the tokenizer has no token for '" + character.str() + "'");
    }
    after_unknown = ids.back() == settings_.unknown && !known;
    at += character.size();
  }
  return ids;
}

/// Joins neighbours until no merge is left. Of equal ranks the leftmost goes first.
void Merges::join(std::vector<int32_t>& ids) const {
  struct Candidate {
    uint32_t rank;
    size_t left, right;  // places in `ids`
    int32_t left_id, right_id, joined;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  const size_t end = ids.size();
  std::vector<size_t> before(end), after(end);
  std::vector<Candidate> storage;
  storage.reserve(end);
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue({}, std::move(storage));
  const auto offer = [&](size_t left, size_t right) {
    if (const Row* row = find(ids[left], ids[right]))
      queue.push({row->rank, left, right, ids[left], ids[right], row->joined});
  };
  for (size_t i = 0; i < end; ++i) {
    before[i] = i - 1;
    after[i] = i + 1;
    if (i + 1 < end) offer(i, i + 1);
  }
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    if (ids[best.left] != best.left_id || ids[best.right] != best.right_id || after[best.left] != best.right)
      continue;  // one of the two has been joined with another since
    ids[best.left] = best.joined;
    ids[best.right] = kGone;
    after[best.left] = after[best.right];
    if (after[best.left] < end) {
      before[after[best.left]] = best.left;
      offer(best.left, after[best.left]);
    }
    if (best.left > 0) offer(before[best.left], best.left);
  }
  llvm::erase_value(ids, kGone);
}

void Merges::encode(llvm::StringRef piece, std::vector<int64_t>& ids) const {
  if (settings_.whole_first)
    if (const auto found = vocabulary_.find(piece); found != vocabulary_.end()) {
      ids.push_back(found->second);
      return;
    }
  std::vector<int32_t> tokens = characters(piece);
  join(tokens);
  ids.insert(ids.end(), tokens.begin(), tokens.end());
}

}  // namespace tenon::tokenizer
