// The client: many threads send commands, one thread at a time receives for all. Who waits for a reply receives itself
// if nobody does (it leads); it hands out the others' replies, serves the server's DMA, and passes the lead on when its
// own reply came. A thread of the connection's own receives while nobody waits. So a lone caller pays no switch between
// threads of this process.
//
// What ends the connection: the peer is gone; a header that cannot be; a message over wire::kMaxMessage; a reply to an
// id that does not wait, or of another command than was sent under the id; a message sent in part only; more than 1024
// replies overdue; replies to DMA that the peer does not take (64 MiB). A time-out alone does not: a late reply is
// dropped, its descriptors closed, and its id is not used before that.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <vector>

#include "vfio_user/connection.h"
#include "vfio_user/message_reader.h"
#include "vfio_user/message_sender.h"
#include "vfio_user/receive_wait.h"
#include "vfio_user/waiter.h"

namespace vfio_engine {

class ClientConnection final : public Connection {
 public:
  ClientConnection(UniqueFd socket, int timeout_ms);
  ~ClientConnection() override;

  ssize_t RegionRead(uint32_t region_index, uint64_t offset, void* data, uint32_t count) override;
  ssize_t RegionWrite(uint32_t region_index, uint64_t offset, const void* data, uint32_t count) override;
  int Request(uint16_t command, const std::vector<uint8_t>& payload, const std::vector<int>& fds,
              Reply& reply) override;
  void SetDomain(std::shared_ptr<Domain> domain) override;
  void SetMaxTransfer(uint32_t bytes) override;
  bool alive() const override { return !broken_.load(std::memory_order_acquire); }
  int hangup_event() const override { return hangup_event_.get(); }
  void Close() override;

 private:
  using Lock = std::unique_lock<std::mutex>;
  using Clock = Deadline::Clock;

  // client_connection.cc: commands
  ssize_t Transact(Waiter& waiter, const iovec* payload, size_t parts, const int* fds, size_t fd_count);
  bool Register(Lock& lock, Waiter& waiter);
  ssize_t Await(Waiter& waiter, const Deadline& deadline);
  ssize_t GiveUp(Lock& lock, Waiter& waiter, bool sent);
  void Break(Lock& lock, bool hangup);

  // receive.cc: the receiving side
  void Lead(Lock& lock, Waiter* own, const Deadline& deadline);
  bool ReceiveUntil(Waiter* own, const Deadline& deadline);
  void PassLead(Lock& lock);
  bool Dispatch(Message& message);
  bool Complete(Message& reply);
  int Serve(const Message& command);
  int ServeDma(const Message& command, size_t* length);
  void Background();
  void WaitReadable(Lock& lock);
  void Nap(Lock& lock);

  const UniqueFd socket_;
  const int timeout_ms_;
  const UniqueFd hangup_event_;
  const UniqueFd wake_event_;  // ends the background thread's poll
  std::atomic<uint32_t> max_transfer_{wire::kMaxTransfer};
  MessageSender sender_;

  std::mutex mutex_;
  WaiterTable waiters_;
  std::vector<Waiter*> followers_;        // those asleep in Await
  std::unordered_set<uint16_t> overdue_;  // ids whose time passed, their replies still to come
  uint16_t next_id_ = 0;
  bool receiving_ = false;  // somebody has the receiving side
  uint64_t leads_ = 0;      // how often a waiting thread took it
  bool closing_ = false;
  std::atomic<bool> broken_{false};  // written under mutex_
  std::condition_variable idle_;     // the background thread sleeps here
  bool polling_ = false;             // it is in poll(2)
  bool asleep_ = false;              // without a limit, so that it wants to be told

  // The receiving thread's own.
  MessageReader reader_;
  ReceiveWait receive_wait_;
  Message message_{};
  std::vector<uint8_t> reply_;

  std::mutex domain_mutex_;  // held through an access
  std::shared_ptr<Domain> domain_;

  std::mutex close_mutex_;
  std::thread thread_;
};

}  // namespace vfio_engine
