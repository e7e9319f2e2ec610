// The page's beginning.
import { render } from 'preact';
import { App } from './app.tsx';
import 'uplot/dist/uPlot.min.css';
import './styles/base.css';
import './styles/header.css';
import './styles/playground.css';
import './styles/tokens.css';
import './styles/settings.css';
import './styles/dashboard.css';

render(<App />, document.getElementById('app')!);
