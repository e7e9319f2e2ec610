// The dashboard: live plots, then what is served and in which precision it really runs.
import type { ServerView } from '../api/server-link.ts';
import { Facts } from './facts.tsx';
import { Panel } from './panel.tsx';
import { panels } from './panels.ts';
import { Precision } from './precision.tsx';

export function Dashboard({ server }: { server: ServerView }) {
  return (
    <main class="dashboard" aria-label="Dashboard">
      <h1 class="hidden">Dashboard</h1>
      <div class="panels">
        {panels.map((spec) => (
          <Panel key={spec.name} spec={spec} server={server} />
        ))}
      </div>
      <div class="facts">
        <Facts server={server} />
        <Precision layers={server.model?.layers ?? []} />
      </div>
    </main>
  );
}
