// The client of a vfio-user server. Many threads send commands; one thread at a time, the leader, receives for all. A
// thread that waits for a reply becomes the leader if there is none. The leader hands out the others' replies and
// serves the server's DMA. When its own reply has arrived, it passes the lead on. A background thread of the connection
// receives while no thread waits. So a single caller causes no switch between threads of this process.
//
// The connection ends if the peer is gone; a header is invalid; a message is longer than wire::kMaxMessage; no command
// waits for a reply's id, or the reply is of another command; a message was sent only in part; more than 1,024 replies
// are overdue; or the peer does not read 64 MiB of replies to its DMA. A time-out alone does not end it: the late reply
// is dropped, its descriptors are closed, and its id is not used again before. If there is no memory for a reply, its
// command alone fails; if there is none for the rest of the stream, the connection ends with ENOMEM.
#pragma once

#include <atomic>
#include <bitset>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "vfio_user/connection.h"
#include "vfio_user/message_reader.h"
#include "vfio_user/message_sender.h"
#include "vfio_user/receive_wait.h"
#include "vfio_user/waiter.h"

namespace vfio_engine {

// Owns the socket. Thread: any, for all public members (see connection.h).
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
  void Break(Lock& lock, bool hangup, int reason = -ENODEV);

  // receive.cc: the receiving side
  void Lead(Lock& lock, Waiter* own, const Deadline& deadline);
  int ReceiveUntil(Waiter* own, const Deadline& deadline);
  void PassLead(Lock& lock);
  int Dispatch(Message& message);
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
  FollowerList followers_;      // the threads asleep in Await
  std::bitset<65536> overdue_;  // ids that timed out and whose replies have not arrived
  size_t overdue_count_ = 0;
  uint16_t next_id_ = 0;
  bool receiving_ = false;  // a thread leads
  uint64_t leads_ = 0;      // how often a waiting thread became the leader
  bool closing_ = false;
  std::atomic<bool> broken_{false};  // written under mutex_
  int end_reason_ = 0;               // what commands return once it is broken
  std::condition_variable idle_;     // the background thread sleeps here
  bool polling_ = false;             // the background thread is in poll(2)
  bool asleep_ = false;              // the background thread sleeps without a limit

  // Only the leader uses these.
  MessageReader reader_;
  ReceiveWait receive_wait_;
  Message message_{};
  std::vector<uint8_t> reply_;

  std::mutex domain_mutex_;  // held during an access
  std::shared_ptr<Domain> domain_;

  std::mutex close_mutex_;
  std::thread thread_;
};

}  // namespace vfio_engine
