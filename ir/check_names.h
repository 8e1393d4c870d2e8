// check_names.h: what can be checked of the equations before any dim has a value.
#pragma once
#include "ir/declarations.h"
#include "ir/error_list.h"
#include "ir/operations.h"

namespace tenon {

/// Adds an error for every unknown name, operation and block, wrong arity, assignment to a state or a dim,
/// block that calls itself, repeat whose count is not fixed, and for a model of more than kMaxNodes nodes.
/// Equations with an error are marked invalid. False: the bodies must not be walked as they are called, for
/// that would not end.
bool check_names(Declarations& declarations, ErrorList& errors);

constexpr double kMaxNodes = 5e5;

/// A repeat's count from fixed dims and numbers; throws Error at the place of anything else.
int64_t repeat_count(const Expression& count, const Declarations& declarations);

/// A block's args as the parameters of its calls.
std::vector<Parameter> parameters_of(const BlockDeclaration& block);
/// "layer(x)"
std::string signature_of(const BlockDeclaration& block);

/// "did you mean 'x'?", or "" where nothing is near or there is too much to search.
std::string did_you_mean(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> candidates);

}  // namespace tenon
