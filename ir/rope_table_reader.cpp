// rope_table_reader.cpp: the schemes and their numbers as a table.
#include "ir/rope_table_reader.h"

#include <cmath>

#include "ir/check_names.h"

namespace tenon {
namespace {

struct Key {
  const char* name;
  double missing;  // NaN: required
};
const double kRequired = std::nan("");
struct Scheme {
  const char* name;
  std::vector<Key> keys;
};
const std::vector<Scheme>& schemes() {
  static const auto* result = new std::vector<Scheme>{
      {"linear", {{"factor", kRequired}}},
      {"llama3", {{"factor", kRequired}, {"low", kRequired}, {"high", kRequired}, {"original", kRequired}}},
      {"yarn", {{"factor", kRequired}, {"original", kRequired}, {"beta_fast", 32}, {"beta_slow", 1}}},
      {"longrope", {}},
  };
  return *result;
}

struct RopeTableReader {
  const TomlDocument& document;
  ErrorList& errors;
  Attributes attributes;

  void number(const TomlNode& table, const Key& key);
  void factors(const TomlNode& table);
  void scheme(const TomlNode& entry);
};

bool is_number(const TomlNode& node) {
  return node.kind == TomlNode::Kind::kInteger || node.kind == TomlNode::Kind::kFloat;
}

void RopeTableReader::number(const TomlNode& table, const Key& key) {
  const TomlNode* found = table.find(key.name);
  if (!found && std::isnan(key.missing))
    return errors.add(table.key + " needs '" + key.name + "'", document.key_at(table));
  if (found && (!is_number(*found) || !(found->real > 0) || std::isinf(found->real)))
    return errors.add(std::string(key.name) + " must be a positive number", document.at(*found));
  attributes.set(key.name, found ? found->real : key.missing);
}

void RopeTableReader::factors(const TomlNode& table) {
  const TomlNode* found = table.find("factors");
  std::vector<double> values;
  bool valid = found && found->kind == TomlNode::Kind::kArray;
  if (valid)
    for (const TomlNode& value : found->children) {
      valid &= is_number(value) && value.real > 0;
      values.push_back(value.real);
    }
  if (!valid)
    return errors.add("longrope needs factors, an array of positive numbers",
                      found ? document.at(*found) : document.key_at(table));
  attributes.set("factors", std::move(values));
}

void RopeTableReader::scheme(const TomlNode& entry) {
  const Scheme* found = nullptr;
  std::vector<llvm::StringRef> names{"theta"};
  for (const Scheme& scheme : schemes()) {
    names.push_back(scheme.name);
    if (entry.key == scheme.name) found = &scheme;
  }
  if (!found)
    return errors.add("unknown key '" + entry.key + "' in a rope table", document.key_at(entry),
                      did_you_mean(entry.key, names));
  if (entry.kind != TomlNode::Kind::kTable)
    return errors.add(entry.key + " must be a table", document.at(entry));
  if (attributes.find("scheme")) return errors.add("a rope table has one scheme", document.key_at(entry));
  attributes.set("scheme", entry.key);
  std::vector<llvm::StringRef> keys;
  for (const Key& key : found->keys) {
    keys.push_back(key.name);
    number(entry, key);
  }
  if (found->keys.empty()) {
    keys.push_back("factors");
    factors(entry);
  }
  for (const TomlNode& child : entry.children)
    if (!llvm::is_contained(keys, child.key))
      errors.add("unknown key '" + child.key + "' in " + entry.key, document.key_at(child),
                 did_you_mean(child.key, keys));
}

}  // namespace

Attributes read_rope_table(const TomlDocument& document, const TomlNode& table, ErrorList& errors) {
  RopeTableReader reader{document, errors, {}};
  if (table.kind != TomlNode::Kind::kTable) {
    errors.add("rope must be a table", document.at(table), "rope = { theta = 500000.0 }");
    return {};
  }
  reader.number(table, {"theta", 10000});
  for (const TomlNode& entry : table.children)
    if (entry.key != "theta") reader.scheme(entry);
  return std::move(reader.attributes);
}

}  // namespace tenon
