// The table of targets.
#include "tests/fuzz/targets.h"

namespace tenon::fuzz {

llvm::ArrayRef<Target> targets() {
  static constexpr Target kTargets[] = {
      {"model", model},
      {"expression", expression},
      {"json", json},
      {"safetensors", safetensors},
      {"safetensors_index", safetensors_index},
      {"npy", npy},
      {"ptx", ptx},
      {"cache_entry", cache_entry},
      {"tokenizer", tokenizer},
  };
  return kTargets;
}

}  // namespace tenon::fuzz
