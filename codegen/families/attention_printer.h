// attention_printer.h: an attention kernel as text.
#pragma once
#include "codegen/families/attention_config.h"
#include "codegen/plan.h"

namespace tenon {

EmittedKernel print_attention(const Region& region, const AttentionSite& site, const AttentionConfig& config,
                              llvm::StringRef config_text, const Target& target, llvm::StringRef name);

}  // namespace tenon
