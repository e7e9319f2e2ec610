// Declared and executed bits: what the checkpoint asks for, and what the kernels do. A layer that runs in another
// precision than declared is marked.
import { groupByPrecision, type LayerPrecision } from '../api/model-facts.ts';
import { count } from '../format.ts';

export function Precision({ layers }: { layers: readonly LayerPrecision[] }) {
  if (layers.length === 0) return null;
  const groups = groupByPrecision(layers);
  return (
    <section class="card" aria-labelledby="precision-title">
      <h2 id="precision-title">Precision, declared and executed</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">layers</th>
            <th scope="col">declared</th>
            <th scope="col">executed</th>
            <th scope="col">kernel</th>
          </tr>
        </thead>
        <tbody>
          {groups.map((group) => (
            <Row key={group[0]!.name} group={group} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ group }: { group: readonly LayerPrecision[] }) {
  const { declared, executed, kernel } = group[0]!;
  const differs = declared !== executed;
  return (
    <tr class={differs ? 'differs' : ''}>
      <td>
        <details>
          <summary>{count(group.length)}</summary>
          <ul>
            {group.map(({ name }) => (
              <li key={name} class="mono">
                {name}
              </li>
            ))}
          </ul>
        </details>
      </td>
      <td>{declared}</td>
      <td>
        {executed}
        {differs && <strong> not as declared</strong>}
      </td>
      <td class="mono">{kernel ?? '–'}</td>
    </tr>
  );
}
