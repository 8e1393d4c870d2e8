// remarks.cpp: names the place of a near miss.
#include "passes/remarks.h"

namespace tenon {

SiteNotFused remark(const Node& node, llvm::StringRef pattern, std::string reason) {
  llvm::StringRef name = node.result()->name().empty() ? name_of(node.op()) : node.result()->name();
  std::string site = node.scope().empty() ? name.str() : node.scope().str() + "." + name.str();
  return {std::move(site), pattern.str(), std::move(reason), node.location};
}

}  // namespace tenon
