// toml_library.h: the TOML library as this project uses it; include it nowhere else, so that all see one configuration.
//
// Nesting is bounded, so that neither reading nor freeing a tree overflows the stack. Version 3.3 meets some texts that
// are no TOML ("[{") with an assertion, which aborts Debug builds and misleads the optimiser of others: here it throws.
#pragma once

namespace tenon {
struct TomlAssertion {};
[[noreturn]] inline void fail_toml_assertion() { throw TomlAssertion(); }
}  // namespace tenon

#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(condition) ((condition) ? static_cast<void>(0) : ::tenon::fail_toml_assertion())
#define TOML_MAX_NESTED_VALUES 32
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")
