"""A PPO loop, with an environment of the shape that gymnasium's have, written here."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

PACKAGES = ("numpy",)
TITLE = "PPO loop (our own program)"


class Cart:
    """A point that is pushed left and right; the reward is for staying near the middle."""

    def __init__(self, seed: int):
        self.random, self.state, self.count = np.random.default_rng(seed), np.zeros(4, dtype=np.float32), 0

    def reset(self) -> tuple[np.ndarray, dict[str, Any]]:
        self.state, self.count = self.random.uniform(-0.5, 0.5, 4).astype(np.float32), 0
        return self.state, {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        place, speed, goal, _ = self.state
        speed = speed + (0.1 if action == 1 else -0.1)
        self.state = np.array([place + speed, speed, goal, self.count / 10], dtype=np.float32)
        self.count += 1
        return self.state, float(1.0 - abs(place - goal)), bool(abs(place) > 2), self.count >= 10, {}


class Agent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 16), nn.Tanh())
        self.actor, self.critic = nn.Linear(16, 2), nn.Linear(16, 1)

    def forward(self, seen: torch.Tensor, action: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        hidden = self.body(seen)
        choice = torch.distributions.Categorical(logits=self.actor(hidden))
        if action is None:
            action = choice.sample()
        return action, choice.log_prob(action), choice.entropy(), self.critic(hidden).squeeze(-1)


def collect(agent: Any, env: Cart, steps: int) -> dict[str, torch.Tensor]:
    rows: dict[str, list[Any]] = {"seen": [], "action": [], "logp": [], "value": [], "reward": [], "done": []}
    seen, _ = env.reset()
    for _ in range(steps):
        now = torch.from_numpy(seen)
        with torch.no_grad():
            action, logp, _, value = agent(now)
        seen, reward, ended, cut, _ = env.step(int(action.item()))
        done = ended or cut
        for name, row in zip(rows, (now, action, logp, value, torch.tensor(reward), torch.tensor(float(done))), strict=True):
            rows[name].append(row)
        if done:
            seen, _ = env.reset()
    return {name: torch.stack(row) for name, row in rows.items()}


def advantages(batch: dict[str, torch.Tensor], gamma: float = 0.99, lam: float = 0.95) -> torch.Tensor:
    out, last = torch.zeros_like(batch["reward"]), torch.zeros(())
    for t in reversed(range(len(out) - 1)):
        alive = 1.0 - batch["done"][t]
        delta = batch["reward"][t] + gamma * batch["value"][t + 1] * alive - batch["value"][t]
        out[t] = last = delta + gamma * lam * alive * last
    return out


def update(agent: Any, optimizer: Any, batch: dict[str, torch.Tensor], clip: float = 0.2) -> list[float]:
    gain = advantages(batch)
    target, losses = gain + batch["value"], []
    gain = (gain - gain.mean()) / (gain.std() + 1e-8)
    for order in torch.randperm(len(gain)).chunk(2):
        _, logp, entropy, value = agent(batch["seen"][order], batch["action"][order])
        ratio = (logp - batch["logp"][order]).exp()
        policy = -torch.min(ratio * gain[order], ratio.clamp(1 - clip, 1 + clip) * gain[order]).mean()
        loss = policy + 0.5 * (value - target[order]).pow(2).mean() - 0.01 * entropy.mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.item())
    return losses


def loop(agent: Any, called: Any, run: Any) -> Any:
    optimizer, env, losses = torch.optim.Adam(agent.parameters(), lr=1e-2), Cart(0), []
    for _ in range(3):
        losses.append(run(called, optimizer, env))
    return losses, agent.state_dict()


def iteration(agent: Any, optimizer: Any, env: Cart) -> list[float]:
    return update(agent, optimizer, collect(agent, env, 24))


def model(compiled: Any) -> Any:
    agent = Agent()
    return loop(agent, compiled(agent), iteration)


def step(compiled: Any) -> Any:
    agent = Agent()
    return loop(agent, agent, compiled(iteration))
