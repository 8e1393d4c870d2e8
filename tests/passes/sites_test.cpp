// sites_test.cpp: patterns of [policy] against the names of sites.
#include "passes/sites.h"

#include <doctest/doctest.h>

using namespace tenon;

TEST_CASE("a site and its patterns without repetitions; the patterns that mean a site") {
  CHECK(without_repetitions("layer.3.mlp.in") == "layer.mlp.in");
  CHECK(without_repetitions("layer.*.mlp") == "layer.mlp");
  CHECK(without_repetitions("layer.attn.qkv.2") == "layer.attn.qkv.2");
  CHECK(patterns_of("layer.3.mlp.in") == std::set<std::string>{"layer", "layer.*.mlp", "layer.*.mlp.in"});
}

TEST_CASE("a pattern matches a site or a part of it before a dot") {
  CHECK(site_matches("layer.*.mlp", "layer.3.mlp.in"));
  CHECK(site_matches("layer.*.mlp", "layer.3.mlp"));
  CHECK(site_matches("layer.3", "layer.3.attn.qkv"));
  CHECK(site_matches("*.mlp", "layer.3.mlp.in"));
  CHECK(site_matches("layer.*", "layer.0.x"));
  CHECK(site_matches("layer.1*.attn", "layer.12.attn.out"));
  CHECK_FALSE(site_matches("layer.1*.attn", "layer.2.attn"));
  CHECK_FALSE(site_matches("layer.*.mlp", "layer.3.mlps"));
  CHECK_FALSE(site_matches("layer.*.mlp.in", "layer.3.mlp"));
  CHECK_FALSE(site_matches("mlp", "layer.3.mlp"));
}

TEST_CASE("repetition numbers fall out of a site's name, numbers of equal names stay") {
  CHECK(without_repetitions("layer.3.mlp.in") == "layer.mlp.in");
  CHECK(without_repetitions("outer.1.inner.12.attn") == "outer.inner.attn");
  CHECK(without_repetitions("attn.2") == "attn.2");
  CHECK(without_repetitions("logits") == "logits");
}
