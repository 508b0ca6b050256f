// What becomes of an exception in one replica: it ends the call, and says whose it was.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace trainql {

class ReplicaFailure : public std::runtime_error {
 public:
  ReplicaFailure(int replica, const std::string& what) : std::runtime_error(what), replica(replica) {}

  const int replica;
};

// Lets tests see one: with TRAINQL_FAULT_REPLICA=<replica>.<call> in the environment that replica throws in the so-manieth call
// to all of them.
class RequestedFailure {
 public:
  RequestedFailure() {
    const char* const request = std::getenv("TRAINQL_FAULT_REPLICA");
    if (request != nullptr) (void)std::sscanf(request, "%d.%d", &replica_, &call_);
  }
  void throwIfAt(int replica, int call) const {
    if (replica == replica_ && call == call_) throw std::runtime_error("a failure was requested");
  }

 private:
  int replica_ = -1, call_ = -1;
};

}  // namespace trainql
